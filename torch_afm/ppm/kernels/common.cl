/* What the kernels share, put in front of each: vectors of WIDTH pixels, the functions that loops over atoms may
   use, and the constants and records on which the forward and the backward pass have to agree. */

#if WIDTH == 8
typedef float8 real;
#define LOAD(p, i) vload8(i, p)
#define STORE(v, p, i) vstore8(v, i, p)
#define ANY(m) any(m)
#else
typedef float real;
#define LOAD(p, i) (p)[i]
#define STORE(v, p, i) (p)[i] = (v)
#define ANY(m) (m)
#endif

/* PoCL does not inline its vector functions, and a call in the loop over atoms spills every register; hence
   minimum, maximum and (on x86) the reciprocal root by Newton's method from the 12-bit instruction. */
#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define MOST(a, b) ((a) > (b) ? (a) : (b))
#if WIDTH == 8 && defined(__AVX__)
#if __has_builtin(__builtin_ia32_rsqrtps256)
#define ROOT_INSTRUCTION
#endif
#endif
#ifdef ROOT_INSTRUCTION
inline real inverse_root(const real s)
{
    const real e = __builtin_ia32_rsqrtps256(s);
    return 0.5f * e * (3.0f - s * e * e);
}
#else
#define inverse_root(s) rsqrt(s)
#endif

#define MIN_CURVATURE 2e-4f  /* eV/Å²: smallest lateral curvature a Newton step divides by */
#define MIN_R2 1.0f          /* Å²: inside this the force is capped, so that an absurd geometry stays finite */
#define SOFTENING 1e-6f      /* Å² added to every r² */

/* Tip record of a graph: stiffness (x, y, z, radial), R0, d0 (x, y, z), moments 0-4, SITES pairs (charge,
   height). */
#define TIP_MOMENTS 8
#define TIP_SITES 13
