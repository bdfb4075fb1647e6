/* Gradient of a loss in positions, charges and dipoles of the atoms and in the springs of the tip, from its gradient
   in F_z on relaxed probes: the adjoint of the implicit function theorem (see torch_afm/ppm/scene.py). One
   work-item takes a block of vectors of WIDTH probes and sums over them.

   Set by -D:
     WIDTH           probes a vector: 8 on CPUs, 1 on GPUs
     HEIGHTS         probe heights
     M0 ... M4       where the tip has an axial multipole moment of that order about the probe
     SITES           number of tip charges on the axis too far from the probe for the multipoles, if any
     FIELD           where the electrostatics come from a potential on a grid
     DIPOLES         where atoms have dipoles
     TIP_CHARGES     for gradients in the moments (M0 to M4 have to be set) and sites of the tip too
   Units and names as in common.cl and probe_particle.cl. */

typedef struct {
    real x, y, z; /* probe - atom */
    real G, B;    /* Lennard-Jones */
    Charge e;     /* electrostatics of a unit charge */
} Pair;

inline Pair pair(const real x, const real y, const real z, const float4 atom, const float2 c,
                 __global const float *restrict tip)
{
    Pair f;
    f.x = x - atom.x;
    f.y = y - atom.y;
    f.z = z - atom.z;
    const real rho2 = f.x * f.x + (f.y * f.y + SOFTENING);
    const real r2 = rho2 + f.z * f.z;
    const real s = MOST(r2, MIN_R2);
    const real u = inverse_root(s), inv = u * u;
    const real inv2 = inv * inv, t6 = inv2 * inv, t8 = inv2 * inv2;
    const real p = c.x * t8, q = (c.y * t6) * t8;
    f.G = p - q;
    f.B = inv * (14.0f * q - 8.0f * p);
    f.e = unit_charge(f.z, rho2, s, u, tip);
    return f;
}

#ifdef TIP_CHARGES
#define TIP_ROWS (12 + 2 * N_SITES)
#ifdef SITES
#define N_SITES SITES
#else
#define N_SITES 0
#endif

/* Adds the gradient that a cotangent w of the force has, through one atom of charge q, in the moments of the tip
   (0-4) and in each site's charge and height; rw = w . (probe - atom). With a dipole p, m = p . (probe - atom) and
   pw = p . w, the gradient in a moment is that of wᵀ H p, H the Hessian of a unit charge. */
inline void pull_tip(real *sum, const Pair f, const float q, const real rw, const real wz,
#ifdef DIPOLES
                     const float pz, const real m, const real pw,
#endif
                     __global const float *restrict tip)
{
    const real rho2 = f.x * f.x + (f.y * f.y + SOFTENING);
    const real r2 = rho2 + f.z * f.z;
    const real s = MOST(r2, MIN_R2);
    const real u = inverse_root(s), inv = u * u, inv2 = inv * inv;
    const real c2 = f.z * f.z * inv, zw = f.z * wz, zr = f.z * rw * inv;
    const real e3 = q * u * inv, e5 = q * u * inv2, e9 = e5 * inv2;
    sum[0] += e3 * rw;
    sum[1] -= e3 * (wz - 3.0f * zr);
    sum[2] -= e5 * (3.0f * zw - (7.5f * c2 - 1.5f) * rw);
    sum[3] -= e5 * ((7.5f * c2 - 1.5f) * wz - (17.5f * c2 - 7.5f) * zr);
    sum[4] -= e9 * s * ((17.5f * c2 - 7.5f) * zw - ((39.375f * c2 - 26.25f) * c2 + 1.875f) * rw);
#ifdef DIPOLES
    const real cz = f.z * u, rn = rw * u, mn = m * u, zero = (real)(0.0f);
    /* First and second derivatives of the Legendre polynomials in cos θ. */
    const real first[6] = {zero, zero + 1.0f, 3.0f * cz, 7.5f * c2 - 1.5f, cz * (17.5f * c2 - 7.5f),
                           (39.375f * c2 - 26.25f) * c2 + 1.875f};
    const real second[7] = {zero, zero, zero + 3.0f, 15.0f * cz, 52.5f * c2 - 7.5f, cz * (157.5f * c2 - 52.5f),
                            (433.125f * c2 - 236.25f) * c2 + 13.125f};
    real power = u * inv;
    for (int l = 0; l < 5; l++) {
        sum[l] += power * (second[l] * (pz * wz) - second[l + 1] * (pz * rn + mn * wz)
                           + second[l + 2] * (mn * rn) - first[l + 1] * pw);
        power *= u;
    }
#endif
#ifdef SITES
    for (int site = 0; site < SITES; site++) {
        const float h = tip[TIP_SITES + 2 * site + 1];
        const real zk = f.z + h, rk = rho2 + zk * zk;
        const real uk = inverse_root(MOST(rk, MIN_R2)), ik = uk * uk;
        const real a = q * (uk * ik), w = rw + h * wz;
        sum[5 + 2 * site] += a * w;
        sum[6 + 2 * site] += tip[TIP_SITES + 2 * site] * a * (wz - 3.0f * zk * ik * w);
#ifdef DIPOLES
        const real mk = m + h * pz, ak = uk * ik, product = 3.0f * ik * mk * w;
        sum[5 + 2 * site] += ak * (product - pw);
        sum[6 + 2 * site] += tip[TIP_SITES + 2 * site] * (3.0f * ak * ik)
                             * (mk * wz + pz * w + zk * pw - 5.0f / 3.0f * zk * product);
#endif
    }
#endif
}
#else
#define TIP_ROWS 7
#endif
#ifdef DIPOLES
#define ATOM_ROWS 7
#else
#define ATOM_ROWS 4
#endif

/* place [atoms] (x, y, z, charge); dipole [atoms] (x, y, z, 0), not read without DIPOLES; lj [atoms] (12 ε R⁶,
   12 ε R¹²); atoms of entry e: ptr[e] to ptr[e + 1]; tips, pixel_x, pixel_y, heights and the field as in
   probe_particle.cl; relaxed [entries, HEIGHTS, 5, vectors * WIDTH], its rows 1 to 3 the displacement of the relaxed
   probe; grad [entries, HEIGHTS, vectors * WIDTH].
   out [items, ATOM_ROWS atoms + TIP_ROWS entries, WIDTH]: x, y, z, charge and, with DIPOLES, dipole x, y, z of every
   atom; of every entry stiffness x, y, z, radial; free x, y, z; then, with TIP_CHARGES, moments 0-4, charge and height
   of every site. */
__kernel void adjoint(__global const float4 *restrict place, __global const float4 *restrict dipole,
                      __global const float2 *restrict lj, __global const int *restrict ptr,
                      __global const float *restrict tips, const int tip_stride,
                      __global const float *restrict pixel_x, __global const float *restrict pixel_y,
                      __global const float *restrict heights, const int vectors,
                      __global const float *restrict relaxed, __global const float *restrict grad, const int block,
                      const int atoms, const int entries, __global const float *restrict field,
                      __global const float *restrict field_records, __global const int *restrict field_sizes,
                      __global float *restrict out)
{
    const int item = get_global_id(0), entry = get_global_id(1), first = item * block;
    if (first >= HEIGHTS * vectors) return;
    const int stride = vectors * WIDTH, last = LEAST(first + block, HEIGHTS * vectors);
    const int begin = ptr[entry], n = ptr[entry + 1] - begin;
    __global const float *tip = tips + entry * tip_stride;
    const float kx = tip[0], ky = tip[1], kz = tip[2], kr = tip[3], R0 = tip[4];
    const float d0x = tip[5], d0y = tip[6], d0z = tip[7];
    const real zero = (real)(0.0f);
    __global float *sum = out + ((size_t)item * (ATOM_ROWS * atoms + TIP_ROWS * entries) + ATOM_ROWS * begin) * WIDTH;
    __global float *tip_sum = out + ((size_t)item * (ATOM_ROWS * atoms + TIP_ROWS * entries)
                                     + ATOM_ROWS * atoms + TIP_ROWS * entry) * WIDTH;
    for (int row = 0; row < ATOM_ROWS * n; row++) STORE(zero, sum, row);
    real skx = zero, sky = zero, skz = zero, skr = zero, sdx = zero, sdy = zero, sdz = zero;
#ifdef TIP_CHARGES
    real by_tip[TIP_ROWS - 7];
    for (int row = 0; row < TIP_ROWS - 7; row++) by_tip[row] = zero;
#endif

    for (int t = first; t < last; t++) {
        const int height = t / vectors, v = t - height * vectors;
        __global const float *u = relaxed + (5 * ((size_t)entry * HEIGHTS + height) + 1) * stride;
        const real ux = LOAD(u, v), uy = LOAD(u + stride, v), uz = LOAD(u + 2 * stride, v);
        const real g = LOAD(grad + ((size_t)entry * HEIGHTS + height) * stride, v);
        const real x = LOAD(pixel_x, v) + d0x + ux, y = LOAD(pixel_y, v) + d0y + uy, z = heights[height] + uz;
        real xx = zero, yy = zero, zz = zero, xy = zero, xz = zero, yz = zero;
        for (int i = 0; i < n; i++) {
            const float4 atom = place[begin + i];
            const Pair f = pair(x, y, z, atom, lj[begin + i], tip);
#ifdef DIPOLES
            const float4 p = dipole[begin + i];
            const Charge e = with_dipole(f.e, atom.w, p, p.x * f.x + p.y * f.y + p.z * f.z);
            const real G = f.G + e.G, B = f.B + e.B, W = e.W, Ezz = e.Ezz;
            xx -= 2.0f * (f.e.B * f.x) * p.x;
            yy -= 2.0f * (f.e.B * f.y) * p.y;
            zz -= 2.0f * (f.e.B * f.z + f.e.W) * p.z;
            xy -= f.e.B * (p.x * f.y + p.y * f.x);
            xz -= f.e.B * (p.x * f.z + p.z * f.x) + f.e.W * p.x;
            yz -= f.e.B * (p.y * f.z + p.z * f.y) + f.e.W * p.y;
#else
            const real G = f.G + atom.w * f.e.G, B = f.B + atom.w * f.e.B, W = atom.w * f.e.W;
            const real Ezz = atom.w * f.e.Ezz;
#endif
            const real V = W + B * f.z, bx = B * f.x;
            xx += bx * f.x + G;
            xy += bx * f.y;
            yy += B * f.y * f.y + G;
            xz += V * f.x;
            yz += V * f.y;
            zz += (W + V) * f.z + Ezz + G;
        }
#ifdef FIELD
        Surface f = {xx, xx, xx, xx, yy, zz, xy, xz, yz}; /* of which the gradient is not used */
        add_field(&f, x, y, z, field, field_records + 6 * entry, field_sizes + 4 * entry);
        xx = f.xx; yy = f.yy; zz = f.zz;
        xy = f.xy; xz = f.xz; yz = f.yz;
#endif

        /* Springs, and the solution of H λ = -(surface Hessian) ẑ by the steps of a Newton step. */
        const real dx = d0x + ux, dy = d0y + uy, dz = d0z + uz;
        const real R2 = dx * dx + dy * dy + dz * dz;
        const real iR = inverse_root(R2);
        const real u2 = ux * ux + uy * uy + uz * uz;
        const real stretch = (2.0f * (d0x * ux + d0y * uy + d0z * uz) + u2) / (R2 * iR + R0);
        const real nx = dx * iR, ny = dy * iR, nz = dz * iR;
        const real across = kr * stretch * iR, along = kr - across;
        const real hxx = xx + kx + across + along * nx * nx, hyy = yy + ky + across + along * ny * ny;
        const real hzz = zz + kz + across + along * nz * nz;
        const real hxy = xy + along * nx * ny, hxz = xz + along * nx * nz, hyz = yz + along * ny * nz;
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
        const real rx = lx * zz - xz, ry = ly * zz - yz;
        const real idet = g / (low * (low + 2.0f * split));
        const real mx = (c * rx - b * ry) * idet, my = (a * ry - b * rx) * idet;
        const real mz = -g * zz * ip - lx * mx - ly * my;

        const real mn = mx * nx + my * ny + mz * nz;
        skx -= mx * ux;
        sky -= my * uy;
        skz -= mz * uz;
        skr -= stretch * mn;
        const float i0 = 1.0f / R0;
        const real pull = kr * mn * iR;
        sdx -= across * (mx - nx * mn) + pull * (ux - d0x * i0 * stretch);
        sdy -= across * (my - ny * mn) + pull * (uy - d0y * i0 * stretch);
        sdz -= across * (mz - nz * mn) + pull * (uz - d0z * i0 * stretch);

        const real wx = mx, wy = my, wz = mz + g;
        for (int i = 0; i < n; i++) {
            const float4 atom = place[begin + i];
            const Pair f = pair(x, y, z, atom, lj[begin + i], tip);
            const real rw = f.x * wx + f.y * wy + f.z * wz;
            const int row = ATOM_ROWS * i;
#ifdef DIPOLES
            const float4 p = dipole[begin + i];
            const real m = p.x * f.x + p.y * f.y + p.z * f.z, pw = p.x * wx + p.y * wy + p.z * wz;
            const Charge e = with_dipole(f.e, atom.w, p, m);
            const real G = f.G + e.G, across = f.e.B * rw + f.e.W * wz;
            const real radial = (f.B + e.B) * rw + e.W * wz - f.e.B * pw;
            STORE(LOAD(sum, row) + (radial * f.x + G * wx - across * p.x), sum, row);
            STORE(LOAD(sum, row + 1) + (radial * f.y + G * wy - across * p.y), sum, row + 1);
            STORE(LOAD(sum, row + 2)
                  + (radial * f.z + G * wz - across * p.z + e.Ezz * wz + e.W * rw - f.e.W * pw), sum, row + 2);
            STORE(LOAD(sum, row + 4) + (across * f.x + f.e.G * wx), sum, row + 4);
            STORE(LOAD(sum, row + 5) + (across * f.y + f.e.G * wy), sum, row + 5);
            STORE(LOAD(sum, row + 6) + (across * f.z + f.e.G * wz + f.e.Ezz * wz + f.e.W * rw), sum, row + 6);
#else
            const real G = f.G + atom.w * f.e.G, B = f.B + atom.w * f.e.B, W = atom.w * f.e.W;
            const real radial = B * rw + W * wz;
            STORE(LOAD(sum, row) + (radial * f.x + G * wx), sum, row);
            STORE(LOAD(sum, row + 1) + (radial * f.y + G * wy), sum, row + 1);
            STORE(LOAD(sum, row + 2) + (radial * f.z + G * wz + atom.w * f.e.Ezz * wz + W * rw), sum, row + 2);
#endif
            STORE(LOAD(sum, row + 3) - (f.e.Ez * wz + f.e.G * rw), sum, row + 3);
#ifdef TIP_CHARGES
            pull_tip(by_tip, f, atom.w, rw, wz,
#ifdef DIPOLES
                     p.z, m, pw,
#endif
                     tip);
#endif
        }
    }
    STORE(skx, tip_sum, 0);
    STORE(sky, tip_sum, 1);
    STORE(skz, tip_sum, 2);
    STORE(skr, tip_sum, 3);
    STORE(sdx, tip_sum, 4);
    STORE(sdy, tip_sum, 5);
    STORE(sdz, tip_sum, 6);
#ifdef TIP_CHARGES
    for (int row = 0; row < TIP_ROWS - 7; row++) STORE(by_tip[row], tip_sum, 7 + row);
#endif
}
