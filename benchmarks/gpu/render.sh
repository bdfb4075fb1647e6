#!/usr/bin/env bash
# Rendering on this machine's GPU: tests of the GPU backends, golden accuracy and stacks/s. Needs torch with CUDA
# and, for the kernels, CuPy, or pyopencl and an OpenCL driver. Writes benchmarks/results/gpu_render.json.
set -eu
cd "$(dirname "$0")/../.."
export PYTHONPATH=.
python3 -m pytest -m gpu tests/ppm tests/datasets tests/transforms
python3 -m benchmarks.gpu.render "$@"
