/* Probe relaxation by Newton's method and Giessibl frequency shift, fused: one work-item carries WIDTH pixels
   through all heights. No force-field grid: forces and Hessian are sums over atoms at the probe itself.

   Set by -D:
     WIDTH           pixels a work-item: 8 on CPUs (explicit vectors), 1 on GPUs. Never 16: PoCL 3.0 aborts.
     HEIGHTS, SLICES, SAMPLES   probe heights, frequency-shift slices, force samples an oscillation
     M0 ... M4       where the axial multipole moment of that order exists (one site, at the probe), or
     SITES           number of tip point charges on the axis (exact, for charges far from the probe)
     none of these   Lennard-Jones only
   Units: Å, eV, e. Energies E(z, s) of one atom with s = r²: gradient (0, 0, Ez) + G r,
   Hessian Ezz ẑẑᵀ + W (ẑrᵀ + rẑᵀ) + B rrᵀ + G I, with G = 2 E_s, W = 2 E_zs, B = 4 E_ss. */

#if WIDTH == 8
typedef float8 real;
typedef int8 mask;
#define LOAD(p, i) vload8(i, p)
#define STORE(v, p, i) vstore8(v, i, p)
#define ANY(m) any(m)
#else
typedef float real;
typedef int mask;
#define LOAD(p, i) (p)[i]
#define STORE(v, p, i) (p)[i] = (v)
#define ANY(m) (m)
#endif

#if defined(M0) || defined(M1) || defined(M2) || defined(M3) || defined(M4)
#define MULTIPOLE
#endif

#define MAX_STEP 0.25f       /* Å a Newton step may move the probe */
#define ACCEPT 4.0e-4f       /* Å: a step this small is taken with a first-order update of F_z, unevaluated */
#define MIN_CURVATURE 2e-4f  /* eV/Å²: smallest lateral curvature a Newton step divides by */
#define MIN_R2 0.25f         /* Å²: inside this the force is capped, so that an absurd geometry stays finite */
#define MAX_ITERATIONS 60

/* Per-graph tip record: stiffness (x, y, z, radial), R0, d0 (x, y, z), moments 0-4 or SITES pairs (charge, height) */
#define TIP_SPRINGS 8

typedef struct {
    real gx, gy, gz;                  /* gradient of the surface energy */
    real xx, yy, zz, xy, xz, yz;      /* its Hessian */
} Surface;

inline Surface surface(const real x, const real y, const real z, const int begin, const int end,
                       __global const float4 *restrict place, __global const float2 *restrict lj,
                       __global const float *restrict charge_part)
{
    Surface f;
    f.gx = f.gy = f.gz = f.xx = f.yy = f.xy = f.xz = f.yz = (real)(0.0f);
    real laplacian = (real)(0.0f);
    for (int i = begin; i < end; i++) {
        const float4 atom = place[i];   /* x, y, z, charge */
        const float2 c = lj[i];         /* 12 ε R⁶, 12 ε R¹² */
        const real dx = x - atom.x, dy = y - atom.y, dz = z - atom.z;
        const real rho2 = dx * dx + dy * dy;
        const real s = fmax(rho2 + dz * dz, MIN_R2) + 1e-6f;
#ifdef MULTIPOLE
        const real u = rsqrt(s);
        const real inv = u * u;
#else
        const real inv = 1.0f / s;
#endif
        const real inv2 = inv * inv, t6 = inv2 * inv, a12 = c.y * t6, t8 = t6 * inv;
        real G = t8 * (c.x - a12);
        real B = t8 * inv * (14.0f * a12 - 8.0f * c.x);
        laplacian += t8 * (11.0f * a12 - 5.0f * c.x);
#ifdef MULTIPOLE
        const real u3 = (atom.w * inv) * u;
        const real c2 = dz * dz * inv;
        real W = (real)(0.0f), Ez = (real)(0.0f);
#ifdef M0
        const real a0 = charge_part[0] * u3;
        G -= a0;
        B += 3.0f * a0 * inv;
#endif
#ifdef M1
        const real a1 = charge_part[1] * u3, a1i = a1 * inv;
        Ez += a1;
        G -= 3.0f * dz * a1i;
        W -= 3.0f * a1i;
        B += 15.0f * dz * inv * a1i;
#endif
#if defined(M2) || defined(M3) || defined(M4)
        const real u5 = u3 * inv;
#endif
#ifdef M2
        const real a2 = charge_part[2] * u5, a2i = a2 * inv;
        Ez += 3.0f * dz * a2;
        G -= (7.5f * c2 - 1.5f) * a2;
        W -= 15.0f * dz * a2i;
        B += (52.5f * c2 - 7.5f) * a2i;
#endif
#ifdef M3
        const real a3 = charge_part[3] * u5, a3i = a3 * inv;
        Ez += (7.5f * c2 - 1.5f) * a3;
        G -= dz * (17.5f * c2 - 7.5f) * a3i;
        W -= (52.5f * c2 - 7.5f) * a3i;
        B += dz * (157.5f * c2 - 52.5f) * a3i * inv;
#endif
#ifdef M4
        const real a4 = charge_part[4] * u5 * inv, a4i = a4 * inv;
        Ez += dz * (17.5f * c2 - 7.5f) * a4;
        G -= ((39.375f * c2 - 26.25f) * c2 + 1.875f) * a4;
        W -= dz * (157.5f * c2 - 52.5f) * a4i;
        B += ((433.125f * c2 - 236.25f) * c2 + 13.125f) * a4i;
#endif
        f.gz += Ez;
        f.xz += dx * W;
        f.yz += dy * W;
#endif
        const real bx = B * dx, by = B * dy;
        f.gx += G * dx;
        f.gy += G * dy;
        f.gz += G * dz;
        f.xx += bx * dx + G;
        f.yy += by * dy + G;
        f.xy += bx * dy;
        f.xz += bx * dz;
        f.yz += by * dz;
#ifdef SITES
        for (int k = 0; k < SITES; k++) {
            const real zk = dz + charge_part[2 * k + 1];
            const real sk = fmax(rho2 + zk * zk, MIN_R2) + 1e-6f;
            const real uk = rsqrt(sk), ik = uk * uk;
            const real a = (charge_part[2 * k] * atom.w) * (uk * ik), b = 3.0f * a * ik;
            f.gx -= a * dx;
            f.gy -= a * dy;
            f.gz -= a * zk;
            f.xx += b * dx * dx - a;
            f.yy += b * dy * dy - a;
            f.xy += b * dx * dy;
            f.xz += b * dx * zk;
            f.yz += b * dy * zk;
        }
#endif
    }
    /* Laplace: the electrostatic Hessian has no trace, so Hzz needs the Lennard-Jones one only. */
    f.zz = laplacian - f.xx - f.yy;
    return f;
}

/* place [atoms] (x, y, z, charge); pixel_x, pixel_y [pixels]: pixel + d0 is added from the tip; ptr [graphs + 1];
   heights [HEIGHTS]: probe height above the frame's origin; weights [SAMPLES]; out [graphs, SLICES, pixels]. */
__kernel void frequency_shift(__global const float4 *restrict place, __global const float2 *restrict lj,
                              __global const int *restrict ptr, __global const float *restrict tips,
                              const int tip_stride, __global const float *restrict pixel_x,
                              __global const float *restrict pixel_y, const int vectors,
                              __global const float *restrict heights, __global const float *restrict weights,
                              __global float *restrict out
#ifdef COUNT
                              , __global int *restrict evaluations
#endif
                              )
{
    const int item = get_global_id(0), graph = get_global_id(1);
    if (item >= vectors) return;
    const int begin = ptr[graph], end = ptr[graph + 1];
    __global const float *tip = tips + graph * tip_stride;
    const float kx = tip[0], ky = tip[1], kz = tip[2], kr = tip[3], R0 = tip[4];
    const float d0x = tip[5], d0y = tip[6], d0z = tip[7];
    __global const float *charge_part = tip + TIP_SPRINGS;

    const real x0 = LOAD(pixel_x, item) + d0x, y0 = LOAD(pixel_y, item) + d0y;
    const real zero = (real)(0.0f);
    /* Displacement of the probe from its free position, here and at the three heights above. */
    real ux = zero, uy = zero, uz = zero;
    real px = zero, py = zero, pz = zero, qx = zero, qy = zero, qz = zero;
    real force[HEIGHTS];
    int count = 0;

    for (int j = 0; j < HEIGHTS; j++) {
        if (j > 0) {
            /* Start: quadratic extrapolation over the heights above (lower order while they are few). */
            const real ox = ux, oy = uy, oz = uz;
            if (j > 2) {
                ux = 3.0f * (ox - px) + qx;
                uy = 3.0f * (oy - py) + qy;
                uz = 3.0f * (oz - pz) + qz;
            } else if (j == 2) {
                ux = 2.0f * ox - px;
                uy = 2.0f * oy - py;
                uz = 2.0f * oz - pz;
            }
            qx = px; qy = py; qz = pz;
            px = ox; py = oy; pz = oz;
        }
        real fz = zero;
        for (int iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
            const Surface f = surface(x0 + ux, y0 + uy, heights[j] + uz, begin, end, place, lj, charge_part);
            count++;

            /* Tip. |d| - R0 from the displacement, not from |d|: no digit is lost. */
            const real dx = d0x + ux, dy = d0y + uy, dz = d0z + uz;
            const real iR = rsqrt(dx * dx + dy * dy + dz * dz);
            const real u2 = ux * ux + uy * uy + uz * uz;
            const real stretch = (2.0f * (d0x * ux + d0y * uy + d0z * uz) + u2) / (1.0f / iR + R0);
            const real nx = dx * iR, ny = dy * iR, nz = dz * iR;
            const real t = kr * stretch;
            const real rx = -f.gx - kx * ux - t * nx, ry = -f.gy - ky * uy - t * ny, rz = -f.gz - kz * uz - t * nz;
            const real across = t * iR, along = kr - across;
            const real hxx = f.xx + kx + across + along * nx * nx, hyy = f.yy + ky + across + along * ny * ny;
            const real hzz = f.zz + kz + across + along * nz * nz;
            const real hxy = f.xy + along * nx * ny, hxz = f.xz + along * nx * nz, hyz = f.yz + along * ny * nz;

            /* Eliminate the stiff direction (close to z), then shift the lateral 2 x 2 block if not positive. */
            const real ip = 1.0f / fmax(hzz, MIN_CURVATURE);
            const real lx = hxz * ip, ly = hyz * ip;
            real a = hxx - hxz * lx, c = hyy - hyz * ly;
            const real b = hxy - hxz * ly;
            const real half_diff = 0.5f * (a - c);
            const real lowest = 0.5f * (a + c) - sqrt(half_diff * half_diff + b * b);
            const real shift = fmax(fabs(lowest), MIN_CURVATURE) - lowest;
            a += shift;
            c += shift;
            const real bx = rx - lx * rz, by = ry - ly * rz;
            const real idet = 1.0f / (a * c - b * b);
            real sx = (c * bx - b * by) * idet, sy = (a * by - b * bx) * idet;
            real sz = rz * ip - lx * sx - ly * sy;
            const real step2 = sx * sx + sy * sy + sz * sz;
            const real scale = fmin(MAX_STEP * rsqrt(step2 + 1e-20f), 1.0f);
            sx *= scale; sy *= scale; sz *= scale;
            ux += sx; uy += sy; uz += sz;
            fz = -f.gz - (f.xz * sx + f.yz * sy + f.zz * sz);
            if (!ANY(step2 > ACCEPT * ACCEPT)) break;
        }
        force[j] = fz;
    }
    for (int s = 0; s < SLICES; s++) {
        real df = zero;
        for (int j = 0; j < SAMPLES; j++) df += weights[j] * force[s + j];
        STORE(df, out + (graph * SLICES + s) * vectors * WIDTH, item);
    }
#ifdef COUNT
    evaluations[graph * vectors + item] = count;
#endif
}
