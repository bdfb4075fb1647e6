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

/* Energy E(z, s), s = r², of an atom under the charges of the tip, r = probe - atom: its gradient is (0, 0, Ez) + G r
   and its Hessian Ezz ẑẑᵀ + W (ẑrᵀ + rẑᵀ) + B rrᵀ + G I, with G = 2 E_s, W = 2 E_zs, B = 4 E_ss. Third derivatives
   are Ezzz, Wz, Bz in z and C = 2 B_s. */
typedef struct {
    real Ez, Ezz, W, G, B;
#ifdef DIPOLES
    real Ezzz, Wz, Bz, C;
#endif
} Charge;

/* That of a unit charge; u = 1 / sqrt(s), and s may be more than rho2 + z². With the derivatives P1, P2, P3 of the
   Legendre polynomials in z u, a moment of order l has Ez = P1_l u^{l+2}, Ezzz = P3_l u^{l+4}, G = -P1_{l+1} u^{l+3},
   W = -P2_{l+1} u^{l+4}, Wz = -P3_{l+1} u^{l+5}, B = P2_{l+2} u^{l+5}, Bz = P3_{l+2} u^{l+6} and
   C = -P3_{l+3} u^{l+7}. */
inline Charge unit_charge(const real z, const real rho2, const real s, const real u,
                          __global const float *restrict tip)
{
    const real zero = (real)(0.0f);
    __global const float *moment = tip + TIP_MOMENTS;
    const real inv = u * u, inv2 = inv * inv, t6 = inv2 * inv;
    const real c2 = z * z * inv;
    Charge f;
    f.Ez = f.W = f.G = f.B = zero;
#ifdef DIPOLES
    f.Ezzz = f.Wz = f.Bz = f.C = zero;
#define THIRD(ezzz, wz, bz, c) f.Ezzz += ezzz; f.Wz -= wz; f.Bz += bz; f.C -= c;
#else
#define THIRD(ezzz, wz, bz, c)
#endif
#ifdef M0
    const real a0 = moment[0] * (u * inv);
    f.G -= a0;
    f.B += 3.0f * a0 * inv;
    THIRD(zero, zero, zero, 15.0f * a0 * inv2)
#endif
#ifdef M1
    const real a1 = moment[1] * (u * inv), a1i = a1 * inv;
    f.Ez += a1;
    f.G -= 3.0f * z * a1i;
    f.W -= 3.0f * a1i;
    f.B += 15.0f * z * inv * a1i;
    THIRD(zero, zero, 15.0f * a1i * inv, 105.0f * z * a1i * inv2)
#endif
#ifdef M2
    const real a2 = moment[2] * (u * inv2), a2i = a2 * inv;
    f.Ez += 3.0f * a2 * z;
    f.G -= (7.5f * c2 - 1.5f) * a2;
    f.W -= 15.0f * z * a2i;
    f.B += (52.5f * c2 - 7.5f) * a2i;
    THIRD(zero, 15.0f * a2i, 105.0f * z * inv * a2i, (472.5f * c2 - 52.5f) * inv * a2i)
#endif
#ifdef M3
    const real a3 = moment[3] * (u * inv2), a3i = a3 * inv;
    f.Ez += (7.5f * c2 - 1.5f) * a3;
    f.G -= z * (17.5f * c2 - 7.5f) * a3i;
    f.W -= (52.5f * c2 - 7.5f) * a3i;
    f.B += z * (157.5f * c2 - 52.5f) * a3i * inv;
    THIRD(15.0f * a3i, 105.0f * z * inv * a3i, (472.5f * c2 - 52.5f) * inv * a3i,
          z * (1732.5f * c2 - 472.5f) * inv2 * a3i)
#endif
#ifdef M4
    const real a4 = moment[4] * (u * t6), a4i = a4 * inv;
    f.Ez += (17.5f * c2 - 7.5f) * (a4 * z);
    f.G -= ((39.375f * c2 - 26.25f) * c2 + 1.875f) * a4;
    f.W -= z * (157.5f * c2 - 52.5f) * a4i;
    f.B += ((433.125f * c2 - 236.25f) * c2 + 13.125f) * a4i;
    THIRD(105.0f * z * a4i, (472.5f * c2 - 52.5f) * a4i, z * (1732.5f * c2 - 472.5f) * inv * a4i,
          ((5630.625f * c2 - 2598.75f) * c2 + 118.125f) * inv * a4i)
#endif
    /* Laplace. */
    f.Ezz = -(2.0f * f.W * z + f.B * s + 3.0f * f.G);
#ifdef SITES
    for (int site = 0; site < SITES; site++) {
        const float h = tip[TIP_SITES + 2 * site + 1];
        const real zk = z + h;
        const real rk = rho2 + zk * zk;
        const real uk = inverse_root(MOST(rk, MIN_R2)), ik = uk * uk;
        const real a = tip[TIP_SITES + 2 * site] * (uk * ik), b = 3.0f * a * ik;
        f.Ez -= h * a;
        f.G -= a;
        f.W += h * b;
        f.B += b;
        f.Ezz += h * h * b;
#ifdef DIPOLES
        const real c = 5.0f * b * ik;
        THIRD(-h * h * h * c, h * h * c, -h * c, c)
#endif
    }
#endif
    return f;
}

#ifdef DIPOLES
/* That of an atom with charge q and dipole p, m = p . r, of which the energy is q E - p . (gradient of E), but for what
   is along p: -G p in the gradient, and -W (ẑpᵀ + pẑᵀ) - B (rpᵀ + prᵀ) in the Hessian, G, W and B of the unit charge. */
inline Charge with_dipole(const Charge f, const float q, const float4 p, const real m)
{
    Charge a;
    a.Ez = q * f.Ez - (m * f.W + p.z * f.Ezz);
    a.Ezz = q * f.Ezz - (m * f.Wz + p.z * f.Ezzz);
    a.W = q * f.W - (m * f.Bz + p.z * f.Wz);
    a.G = q * f.G - (m * f.B + p.z * f.W);
    a.B = q * f.B - (m * f.C + p.z * f.Bz);
    return a;
}
#endif

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
