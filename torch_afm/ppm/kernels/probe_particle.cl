/* Probe relaxation by Newton's method and Giessibl frequency shift, fused: one work-item carries WIDTH pixels
   through all heights. No force-field grid: forces and Hessian are sums over atoms at the probe itself.

   Set by -D:
     WIDTH           pixels a work-item: 8 on CPUs (explicit vectors), 1 on GPUs. Never 16: PoCL 3.0 aborts.
     HEIGHTS, SLICES, SAMPLES   probe heights, frequency-shift slices, force samples an oscillation
     SUBSTEPS        heights from one slice to the next
     M0 ... M4       where the tip has an axial multipole moment of that order about the probe
     SITES           number of tip charges on the axis too far from the probe for the multipoles, if any
     TILED, DEGREE   where far atoms act through a polynomial of that degree on each tile of pixels
     DIPOLES         where atoms have dipoles
     FIELD           where the electrostatics come from a potential on a grid
     RELAXED         to write the relaxed probe in place of the frequency shift, without the four of heights and slices
   Units: Å, eV, e. G, W and B are those of a Charge in common.cl. */

#if defined(M0) || defined(M1) || defined(M2) || defined(M3) || defined(M4) || defined(DIPOLES)
#define MULTIPOLE
#endif

#define MAX_STEP 0.25f       /* Å a Newton step may move the probe */
#define START 0.2f           /* Å a start may be extrapolated from the height above */
#define ACCEPT 1e-3f         /* Å: a step this small is taken with a first-order update of F_z, unevaluated */
#ifndef MAX_ITERATIONS
#define MAX_ITERATIONS 60
#endif
#define WALL 1e3f            /* eV/Å²: a surface energy of larger Laplacian means inside an atom */

#ifdef TILED
/* Record of a tile and graph: center, reciprocal half edges, Hessian (xx, yy, zz, xy, xz, yz), then the
   coefficients of x^a y^b z^c (a slowest, a + b + c <= DEGREE) in the gradient (x, y, z), in half edges. */
#define TILE_HESSIAN 6
#define TILE_GRADIENT 12
#define TILE_RECORD (TILE_GRADIENT + (DEGREE + 1) * (DEGREE + 2) * (DEGREE + 3) / 2)
#define ATOM(k) index[k]
#define WITHIN(t) MOST(LEAST(t, 1.25f), -1.25f) /* past that a polynomial is no force any more */
#else
#define ATOM(k) k
#endif

inline Surface surface(const real x, const real y, const real z, const int begin, const int end,
                       __global const float4 *restrict place, __global const float4 *restrict dipole,
                       __global const float2 *restrict lj, __global const int *restrict index,
                       __global const float *restrict tip)
{
    const real zero = (real)(0.0f);
    __global const float *moment = tip + TIP_MOMENTS;
    Surface f;
    f.gx = f.gy = f.gz = f.xx = f.yy = f.xy = f.xz = f.yz = zero;
    real laplacian = zero, diagonal = zero;
    for (int k = begin; k < end; k++) {
        const int i = ATOM(k);
        const float4 atom = place[i]; /* x, y, z, charge */
        const float2 c = lj[i];       /* 12 ε R⁶, 12 ε R¹² */
        const real dx = x - atom.x, dy = y - atom.y, dz = z - atom.z;
        const real rho2 = dx * dx + (dy * dy + SOFTENING);
        const real r2 = rho2 + dz * dz;
        const real s = MOST(r2, MIN_R2);
#ifdef MULTIPOLE
        const real u = inverse_root(s), inv = u * u;
#else
        const real inv = 1.0f / s;
#endif
        const real inv2 = inv * inv, t6 = inv2 * inv, t8 = inv2 * inv2;
        const real p = c.x * t8, q = (c.y * t6) * t8;
        real G = p - q;
        real B = inv * (14.0f * q - 8.0f * p);
        laplacian += 11.0f * q;
        laplacian -= 5.0f * p;
#ifdef DIPOLES
        const float4 m = dipole[i];
        const Charge unit = unit_charge(dz, rho2, s, u, tip);
        const Charge e = with_dipole(unit, atom.w, m, m.x * dx + m.y * dy + m.z * dz);
        const real W = e.W, ux = unit.B * m.x, uy = unit.B * m.y, uz = unit.B * m.z;
        G += e.G;
        B += e.B;
        f.gx -= unit.G * m.x;
        f.gy -= unit.G * m.y;
        f.gz += e.Ez - unit.G * m.z;
        f.xx -= 2.0f * ux * dx;
        f.xy -= ux * dy + uy * dx;
        f.yy -= 2.0f * uy * dy;
        f.xz -= ux * dz + uz * dx + unit.W * m.x;
        f.yz -= uy * dz + uz * dy + unit.W * m.y;
        const real V = W + B * dz;
#elif defined(MULTIPOLE)
        const real c2 = dz * dz * inv;
        real W = zero;
#ifdef M0
        const real a0 = (moment[0] * atom.w) * (u * inv);
        G -= a0;
        B += 3.0f * a0 * inv;
#endif
#ifdef M1
        const real a1 = (moment[1] * atom.w) * (u * inv), a1i = a1 * inv;
        f.gz += a1;
        G -= 3.0f * dz * a1i;
        W -= 3.0f * a1i;
        B += 15.0f * dz * inv * a1i;
#endif
#ifdef M2
        const real a2 = (moment[2] * atom.w) * (u * inv2), a2i = a2 * inv, a2z = a2 * dz;
        f.gz += 3.0f * a2z;
        G -= (7.5f * c2 - 1.5f) * a2;
        W -= 15.0f * (a2z * inv);
        B += (52.5f * c2 - 7.5f) * a2i;
#endif
#ifdef M3
        const real a3 = (moment[3] * atom.w) * (u * inv2), a3i = a3 * inv;
        f.gz += (7.5f * c2 - 1.5f) * a3;
        G -= dz * (17.5f * c2 - 7.5f) * a3i;
        W -= (52.5f * c2 - 7.5f) * a3i;
        B += dz * (157.5f * c2 - 52.5f) * a3i * inv;
#endif
#ifdef M4
        /* Order 4 enters the force only: in the Hessian it is one part in a thousand of a small part. */
        const real a4 = (moment[4] * atom.w) * (u * t6);
        f.gz += (17.5f * c2 - 7.5f) * (a4 * dz);
        G -= ((39.375f * c2 - 26.25f) * c2 + 1.875f) * a4;
#endif
        const real V = W + B * dz;
#else
        const real V = B * dz;
#endif
        const real bx = B * dx;
        diagonal += G;
        f.gx += G * dx;
        f.gy += G * dy;
        f.gz += G * dz;
        f.xx += bx * dx;
        f.xy += bx * dy;
        f.yy += B * dy * dy;
        f.xz += V * dx;
        f.yz += V * dy;
#if defined(SITES) && !defined(DIPOLES)
        for (int site = 0; site < SITES; site++) {
            const real zk = dz + tip[TIP_SITES + 2 * site + 1];
            const real rk = rho2 + zk * zk;
            const real uk = inverse_root(MOST(rk, MIN_R2)), ik = uk * uk;
            const real a = (tip[TIP_SITES + 2 * site] * atom.w) * (uk * ik), b = 3.0f * a * ik;
            diagonal -= a;
            f.gx -= a * dx;
            f.gy -= a * dy;
            f.gz -= a * zk;
            f.xx += b * dx * dx;
            f.yy += b * dy * dy;
            f.xy += b * dx * dy;
            f.xz += b * dx * zk;
            f.yz += b * dy * zk;
        }
#endif
    }
    f.xx += diagonal;
    f.yy += diagonal;
    /* Laplace: the electrostatic Hessian has no trace, so zz needs the Lennard-Jones one only. */
    f.zz = laplacian - f.xx - f.yy;
    return f;
}

#ifdef TILED
/* Adds what far atoms do: the gradient to the full degree, the Hessian, which only steers the steps, constant. */
inline void add_far(Surface *f, const real x, const real y, const real z, __global const float *restrict tile)
{
    const real u = WITHIN((x - tile[0]) * tile[3]), v = WITHIN((y - tile[1]) * tile[4]);
    const real w = WITHIN((z - tile[2]) * tile[5]);
    __global const float *c = tile + TILE_GRADIENT;
    real pu = (real)(1.0f);
#pragma unroll
    for (int i = 0; i <= DEGREE; i++) {
        real pv = pu;
#pragma unroll
        for (int j = 0; i + j <= DEGREE; j++) {
            real pw = pv;
#pragma unroll
            for (int k = 0; i + j + k <= DEGREE; k++, c += 3) {
                f->gx += c[0] * pw;
                f->gy += c[1] * pw;
                f->gz += c[2] * pw;
                pw *= w;
            }
            pv *= v;
        }
        pu *= u;
    }
    f->xx += tile[TILE_HESSIAN];
    f->yy += tile[TILE_HESSIAN + 1];
    f->zz += tile[TILE_HESSIAN + 2];
    f->xy += tile[TILE_HESSIAN + 3];
    f->xz += tile[TILE_HESSIAN + 4];
    f->yz += tile[TILE_HESSIAN + 5];
}

/* Gradient that the atoms index[ptr[t]] ... index[ptr[t + 1] - 1] make at nodes [t, nodes, 3], t = (graph,
   tile); out [t, 3, nodes]. */
__kernel void far_field(__global const float4 *restrict place, __global const float4 *restrict dipole,
                        __global const float2 *restrict lj, __global const int *restrict index,
                        __global const int *restrict ptr,
                        __global const float *restrict tips, const int tip_stride, const int tiles,
                        __global const float *restrict nodes, const int vectors, __global float *restrict out)
{
    const int item = get_global_id(0), t = get_global_id(1);
    if (item >= vectors) return;
    __global const float *node = nodes + (size_t)t * 3 * vectors * WIDTH;
    const Surface f = surface(LOAD(node, item), LOAD(node + vectors * WIDTH, item),
                              LOAD(node + 2 * vectors * WIDTH, item), ptr[t], ptr[t + 1], place, dipole, lj, index,
                              tips + (t / tiles) * tip_stride);
    __global float *to = out + (size_t)t * 3 * vectors * WIDTH;
    STORE(f.gx, to, item);
    STORE(f.gy, to + vectors * WIDTH, item);
    STORE(f.gz, to + 2 * vectors * WIDTH, item);
}
#endif

#ifdef TILED
#define EXTRA_ROWS 1
#else
#define EXTRA_ROWS 0
#endif
#ifdef RELAXED
#define HEIGHTS n_heights /* any number without another build */
#define ROWS (5 * HEIGHTS + EXTRA_ROWS)
#else
#define ROWS (SLICES + 2 + EXTRA_ROWS)
#endif

/* place [atoms] (x, y, z, charge); dipole [atoms] (x, y, z, 0), not read without DIPOLES; index: atoms of each
   (graph, tile), which ptr [graphs * tiles + 1] delimits; tile_of [vectors]; pixel_x, pixel_y [pixels]: pixel + d0 is added from the tip; heights [n_heights]: free probe
   above the frame's origin; weights [SAMPLES]; far [graphs, tiles, TILE_RECORD]; field [], field_records
   [graphs, 6] and field_sizes [graphs, 4] as add_field takes them, not read without FIELD.
   out [graphs, ROWS, pixels]: the frequency shifts, the number of heights not converged, and the number of
   evaluations of force and Hessian over all heights; or, for each height, F_z, the displacement of the probe from
   its free position (x, y, z), and whether it converged. With TILED, last, how far from the center of its tile the probe came,
   in half edges, squared; without, there is one tile a graph, and index, tile_of and far are not read. */
__kernel void frequency_shift(__global const float4 *restrict place, __global const float4 *restrict dipole,
                              __global const float2 *restrict lj, __global const int *restrict index,
                              __global const int *restrict ptr,
                              __global const int *restrict tile_of, const int tiles,
                              __global const float *restrict tips, const int tip_stride,
                              __global const float *restrict pixel_x, __global const float *restrict pixel_y,
                              const int vectors, const int n_heights, __global const float *restrict heights,
                              __global const float *restrict weights, __global const float *restrict far,
                              __global const float *restrict field, __global const float *restrict field_records,
                              __global const int *restrict field_sizes, __global float *restrict out)
{
    const int item = get_global_id(0), graph = get_global_id(1);
    if (item >= vectors) return;
#ifdef TILED
    const int tile = graph * tiles + tile_of[item];
#else
    const int tile = graph;
#endif
    const int begin = ptr[tile], end = ptr[tile + 1];
    __global const float *tip = tips + graph * tip_stride;
    __global float *row = out + (size_t)graph * ROWS * vectors * WIDTH;
    const float kx = tip[0], ky = tip[1], kz = tip[2], kr = tip[3], R0 = tip[4];
    const float d0x = tip[5], d0y = tip[6], d0z = tip[7];

    const real x0 = LOAD(pixel_x, item) + d0x, y0 = LOAD(pixel_y, item) + d0y;
    const real zero = (real)(0.0f);
    /* Displacement of the probe from its free position: now (u) and at the four heights above (p nearest). */
    real ux = zero, uy = zero, uz = zero, px = zero, py = zero, pz = zero, qx = zero, qy = zero, qz = zero;
    real rx = zero, ry = zero, rz = zero, sx = zero, sy = zero, sz = zero;
#ifdef TILED
    real astray = zero;
#endif
#ifndef RELAXED
    real force[HEIGHTS];
    real unconverged = zero;
    int count = 0;
#endif

    for (int j = 0; j < HEIGHTS; j++) {
        sx = rx; sy = ry; sz = rz;
        rx = qx; ry = qy; rz = qz;
        qx = px; qy = py; qz = pz;
        px = ux; py = uy; pz = uz;
        /* Start: extrapolation over the heights above by as many orders as there are heights, up to cubic,
           but no further than START: after a jump to another basin it would point anywhere. */
        real jx = zero, jy = zero, jz = zero;
        if (j > 3) {
            jx = 3.0f * (px - 2.0f * qx) + 4.0f * rx - sx;
            jy = 3.0f * (py - 2.0f * qy) + 4.0f * ry - sy;
            jz = 3.0f * (pz - 2.0f * qz) + 4.0f * rz - sz;
        } else if (j == 3) {
            jx = 2.0f * px - 3.0f * qx + rx;
            jy = 2.0f * py - 3.0f * qy + ry;
            jz = 2.0f * pz - 3.0f * qz + rz;
        } else if (j == 2) {
            jx = px - qx;
            jy = py - qy;
            jz = pz - qz;
        }
        const real jump2 = jx * jx + jy * jy + jz * jz;
        ux += jump2 < START * START ? jx : zero;
        uy += jump2 < START * START ? jy : zero;
        uz += jump2 < START * START ? jz : zero;

        real surface_fz = zero, step2 = zero, wall = zero;
        for (int iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
            Surface f = surface(x0 + ux, y0 + uy, heights[j] + uz, begin, end, place, dipole, lj, index,
                                tip);
#ifdef TILED
            add_far(&f, x0 + ux, y0 + uy, heights[j] + uz, far + (size_t)tile * TILE_RECORD);
#endif
#ifdef FIELD
            add_field(&f, x0 + ux, y0 + uy, heights[j] + uz, field, field_records + 6 * graph,
                      field_sizes + 4 * graph);
#endif
#ifndef RELAXED
            count++;
#endif

            /* Tip. |d| - R0 from the displacement, not from |d|: no digit is lost. */
            const real dx = d0x + ux, dy = d0y + uy, dz = d0z + uz;
            const real R2 = dx * dx + dy * dy + dz * dz;
            const real iR = inverse_root(R2);
            const real u2 = ux * ux + uy * uy + uz * uz;
            const real stretch = (2.0f * (d0x * ux + d0y * uy + d0z * uz) + u2) / (R2 * iR + R0);
            const real nx = dx * iR, ny = dy * iR, nz = dz * iR;
            const real t = kr * stretch;
            const real fx = -f.gx - kx * ux - t * nx, fy = -f.gy - ky * uy - t * ny;
            const real fz = -f.gz - kz * uz - t * nz;
            const real across = t * iR, along = kr - across;
            const real hxx = f.xx + kx + across + along * nx * nx, hyy = f.yy + ky + across + along * ny * ny;
            const real hzz = f.zz + kz + across + along * nz * nz;
            const real hxy = f.xy + along * nx * ny, hxz = f.xz + along * nx * nz, hyz = f.yz + along * ny * nz;

            /* Eliminate the stiff direction (close to z), then shift the lateral 2 x 2 block if not positive. */
            const real stiff = MOST(hzz, -hzz);
            const real ip = 1.0f / MOST(stiff, MIN_CURVATURE);
            const real lx = hxz * ip, ly = hyz * ip;
            real a = hxx - hxz * lx, c = hyy - hyz * ly;
            const real b = hxy - hxz * ly;
            const real half_diff = 0.5f * (a - c);
            const real split2 = half_diff * half_diff + b * b + 1e-20f;
            const real split = split2 * inverse_root(split2);
            const real lowest = 0.5f * (a + c) - split;
            const real size = MOST(lowest, -lowest);
            const real low = MOST(size, MIN_CURVATURE);
            a += low - lowest;
            c += low - lowest;
            const real bx = fx - lx * fz, by = fy - ly * fz;
            const real idet = 1.0f / (low * (low + 2.0f * split)); /* not ac - b², which may round to 0 */
            real mx = (c * bx - b * by) * idet, my = (a * by - b * bx) * idet;
            real mz = fz * ip - lx * mx - ly * my;
            step2 = mx * mx + my * my + mz * mz;
            const real reach = MAX_STEP * inverse_root(step2 + 1e-20f);
            const real scale = LEAST(reach, 1.0f);
            mx *= scale; my *= scale; mz *= scale;
            ux += mx; uy += my; uz += mz;
            surface_fz = -f.gz - (f.xz * mx + f.yz * my + f.zz * mz);
            const real laplacian = f.xx + f.yy + f.zz;
            wall = MOST(wall, laplacian);
            if (!ANY(step2 > ACCEPT * ACCEPT)) break;
        }
        /* A NaN compares false. */
        const real bad = ((step2 <= ACCEPT * ACCEPT) & (wall < WALL)) ? zero : zero + 1.0f;
#ifdef TILED
        __global const float *box = far + (size_t)tile * TILE_RECORD;
        const real u = (x0 + ux - box[0]) * box[3], v = (y0 + uy - box[1]) * box[4];
        const real w = (heights[j] + uz - box[2]) * box[5];
        const real lateral2 = MOST(u * u, v * v), most2 = MOST(lateral2, w * w);
        astray = MOST(astray, most2);
#endif
#ifdef RELAXED
        STORE(surface_fz, row, item);
        STORE(ux, row + vectors * WIDTH, item);
        STORE(uy, row + 2 * vectors * WIDTH, item);
        STORE(uz, row + 3 * vectors * WIDTH, item);
        STORE(1.0f - bad, row + 4 * vectors * WIDTH, item);
        row += 5 * vectors * WIDTH;
    }
#ifdef TILED
    STORE(astray, row, item);
#endif
#else
        force[j] = surface_fz;
        unconverged += bad;
    }
    for (int s = 0; s < SLICES; s++) {
        real df = zero;
        for (int j = 0; j < SAMPLES; j++) df += weights[j] * force[s * SUBSTEPS + j];
        STORE(df, row, item);
        row += vectors * WIDTH;
    }
    STORE(unconverged, row, item);
    STORE(zero + (float)count, row + vectors * WIDTH, item);
#ifdef TILED
    STORE(astray, row + 2 * vectors * WIDTH, item);
#endif
#endif
}
