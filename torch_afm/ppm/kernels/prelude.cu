/* OpenCL's words in CUDA, put in front of the kernels. One work-item is one thread and takes one pixel (WIDTH 1).
   The entries of a batch run along the grid's x, which may be long; its y is for pixels. */
#define __kernel extern "C" __global__
#define __global
#define inline static __device__ __forceinline__
#define restrict __restrict__
#define rsqrt(s) rsqrtf(s)
#define get_global_id(axis) \
    ((int)((axis) == 0 ? blockIdx.y * blockDim.x + threadIdx.x : blockIdx.x))
