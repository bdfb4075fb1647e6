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

typedef struct {
    real gx, gy, gz;              /* gradient of the surface energy */
    real xx, yy, zz, xy, xz, yz;  /* its Hessian */
} Surface;

#ifdef FIELD
/* Adds a field on a grid (torch_afm/ppm/potential.py): a cubic B-spline with the coefficients of an entry, record
   low (x, y, z), reciprocal spacing (x, y, z); size: nx, ny, nz, index of the first coefficient. Each lane of a
   vector has knots of its own, so lanes go one after the other. */
inline void add_field(Surface *f, const real x, const real y, const real z, __global const float *restrict field,
                      __global const float *restrict record, __global const int *restrict size)
{
    float at[3][WIDTH], sums[9][WIDTH];
    STORE(x, at[0], 0);
    STORE(y, at[1], 0);
    STORE(z, at[2], 0);
    for (int lane = 0; lane < WIDTH; lane++) {
        float w[3][3][4]; /* axis, derivative, knot */
        int knot[3];
        for (int a = 0; a < 3; a++) {
            const float most = size[a] - 2.0001f, given = (at[a][lane] - record[a]) * record[3 + a];
            const float t = MOST(LEAST(given, most), 1.0f);
            knot[a] = (int)t;
            const float v = t - knot[a], s = 1.0f - v, k = record[3 + a];
            w[a][0][0] = s * s * s / 6.0f;
            w[a][0][1] = (3.0f * v * v * v - 6.0f * v * v + 4.0f) / 6.0f;
            w[a][0][2] = (3.0f * s * s * s - 6.0f * s * s + 4.0f) / 6.0f;
            w[a][0][3] = v * v * v / 6.0f;
            w[a][1][0] = -0.5f * k * s * s;
            w[a][1][1] = 0.5f * k * (3.0f * v - 4.0f) * v;
            w[a][1][2] = 0.5f * k * (4.0f - 3.0f * s) * s;
            w[a][1][3] = 0.5f * k * v * v;
            w[a][2][0] = k * k * s;
            w[a][2][1] = k * k * (3.0f * v - 2.0f);
            w[a][2][2] = k * k * (3.0f * s - 2.0f);
            w[a][2][3] = k * k * v;
        }
        float g[9] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        for (int i = 0; i < 4; i++) {
            float p[6] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f}; /* 1, y, z, yy, zz, yz */
            for (int j = 0; j < 4; j++) {
                __global const float *c = field + size[3]
                    + ((knot[0] + i - 1) * size[1] + knot[1] + j - 1) * size[2] + knot[2] - 1;
                float q0 = 0.0f, q1 = 0.0f, q2 = 0.0f;
                for (int k = 0; k < 4; k++) {
                    q0 += c[k] * w[2][0][k];
                    q1 += c[k] * w[2][1][k];
                    q2 += c[k] * w[2][2][k];
                }
                p[0] += q0 * w[1][0][j];
                p[1] += q0 * w[1][1][j];
                p[2] += q1 * w[1][0][j];
                p[3] += q0 * w[1][2][j];
                p[4] += q2 * w[1][0][j];
                p[5] += q1 * w[1][1][j];
            }
            g[0] += p[0] * w[0][1][i];
            g[1] += p[1] * w[0][0][i];
            g[2] += p[2] * w[0][0][i];
            g[3] += p[0] * w[0][2][i];
            g[4] += p[3] * w[0][0][i];
            g[5] += p[4] * w[0][0][i];
            g[6] += p[1] * w[0][1][i];
            g[7] += p[2] * w[0][1][i];
            g[8] += p[5] * w[0][0][i];
        }
        for (int n = 0; n < 9; n++) sums[n][lane] = g[n];
    }
    f->gx += LOAD(sums[0], 0);
    f->gy += LOAD(sums[1], 0);
    f->gz += LOAD(sums[2], 0);
    f->xx += LOAD(sums[3], 0);
    f->yy += LOAD(sums[4], 0);
    f->zz += LOAD(sums[5], 0);
    f->xy += LOAD(sums[6], 0);
    f->xz += LOAD(sums[7], 0);
    f->yz += LOAD(sums[8], 0);
}
#endif
