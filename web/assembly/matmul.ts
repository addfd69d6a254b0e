// out (M, N) = a (M, K) times b (K, N) plus bias (N), row by row in memory, all float32; bias 0 means none.
// It is AssemblyScript: TypeScript's grammar, but every variable has a machine type, and a pointer is a number.
//
// A 128-bit register holds four floats. The product is made in blocks of 2 rows by 16 columns: eight registers
// stay in place while k runs, each b that is loaded serves two rows, each a serves sixteen columns.
//
// A matrix that came to stay is packed: its first 16 columns as a matrix of their own, then the next 16, and so on,
// the rest last. So the numbers of a block lie side by side. As rows they lie far apart, often by a power of two,
// and such places share the same few lines of the processor's cache and push each other out.

/** sum + x · y. Newer browsers do both in one step ("relaxed", because it rounds once, not twice): half the time. */
// @ts-ignore: a decorator
@inline
function add(sum: v128, x: v128, y: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(x, y, sum);
  return f32x4.add(sum, f32x4.mul(x, y));
}

/** Four numbers of the bias, where a sum begins. */
// @ts-ignore: a decorator
@inline
function begin(bias: usize, n: i32): v128 {
  return bias ? v128.load(bias + (<usize>n << 2)) : f32x4.splat(0);
}

export function matmul(a: usize, b: usize, bias: usize, out: usize, M: i32, K: i32, N: i32, packed: bool): void {
  const rowA = <usize>K << 2; // bytes from one row to the next; a float has four
  const rowB = <usize>N << 2;
  const blockB: usize = packed ? 64 : rowB; // from one row to the next within a block
  let n = 0;
  for (; n + 16 <= N; n += 16) {
    const column = b + <usize>n * (packed ? rowA : 4);
    const b0 = begin(bias, n), b1 = begin(bias, n + 4), b2 = begin(bias, n + 8), b3 = begin(bias, n + 12);
    let m = 0;
    for (; m + 2 <= M; m += 2) {
      const first = a + <usize>m * rowA;
      const second = first + rowA;
      let s0 = b0, s1 = b1, s2 = b2, s3 = b3;
      let t0 = b0, t1 = b1, t2 = b2, t3 = b3;
      let from = column;
      for (let k: usize = 0; k < rowA; k += 4) {
        const x = v128.load32_splat(first + k);
        const y = v128.load32_splat(second + k);
        let four = v128.load(from);
        s0 = add(s0, x, four);
        t0 = add(t0, y, four);
        four = v128.load(from, 16);
        s1 = add(s1, x, four);
        t1 = add(t1, y, four);
        four = v128.load(from, 32);
        s2 = add(s2, x, four);
        t2 = add(t2, y, four);
        four = v128.load(from, 48);
        s3 = add(s3, x, four);
        t3 = add(t3, y, four);
        from += blockB;
      }
      let to = out + <usize>m * rowB + (<usize>n << 2);
      v128.store(to, s0);
      v128.store(to, s1, 16);
      v128.store(to, s2, 32);
      v128.store(to, s3, 48);
      to += rowB;
      v128.store(to, t0);
      v128.store(to, t1, 16);
      v128.store(to, t2, 32);
      v128.store(to, t3, 48);
    }
    if (m < M) { // an odd row is left, or there is only one: two k at a time, so that no sum waits for another
      const first = a + <usize>m * rowA;
      let s0 = b0, s1 = b1, s2 = b2, s3 = b3;
      let t0 = f32x4.splat(0), t1 = t0, t2 = t0, t3 = t0;
      let from = column;
      let k: usize = 0;
      for (; k + 8 <= rowA; k += 8) {
        const x = v128.load32_splat(first + k);
        s0 = add(s0, x, v128.load(from));
        s1 = add(s1, x, v128.load(from, 16));
        s2 = add(s2, x, v128.load(from, 32));
        s3 = add(s3, x, v128.load(from, 48));
        from += blockB;
        const y = v128.load32_splat(first + k, 4);
        t0 = add(t0, y, v128.load(from));
        t1 = add(t1, y, v128.load(from, 16));
        t2 = add(t2, y, v128.load(from, 32));
        t3 = add(t3, y, v128.load(from, 48));
        from += blockB;
      }
      if (k < rowA) {
        const x = v128.load32_splat(first + k);
        s0 = add(s0, x, v128.load(from));
        s1 = add(s1, x, v128.load(from, 16));
        s2 = add(s2, x, v128.load(from, 32));
        s3 = add(s3, x, v128.load(from, 48));
      }
      const to = out + <usize>m * rowB + (<usize>n << 2);
      v128.store(to, f32x4.add(s0, t0));
      v128.store(to, f32x4.add(s1, t1), 16);
      v128.store(to, f32x4.add(s2, t2), 32);
      v128.store(to, f32x4.add(s3, t3), 48);
    }
  }
  const done = n;
  const rest = b + <usize>done * (packed ? rowA : 4);
  const restB: usize = packed ? <usize>(N - done) << 2 : rowB;
  for (; n + 4 <= N; n += 4) { // fewer than 16 columns are left: four at a time
    const column = rest + (<usize>(n - done) << 2);
    for (let m = 0; m < M; m++) {
      const first = a + <usize>m * rowA;
      let sum = begin(bias, n);
      let from = column;
      for (let k: usize = 0; k < rowA; k += 4) {
        sum = add(sum, v128.load32_splat(first + k), v128.load(from));
        from += restB;
      }
      v128.store(out + <usize>m * rowB + (<usize>n << 2), sum);
    }
  }
  for (; n < N; n++) { // and the last three one by one
    const column = rest + (<usize>(n - done) << 2);
    for (let m = 0; m < M; m++) {
      const first = a + <usize>m * rowA;
      let sum: f32 = bias ? load<f32>(bias + (<usize>n << 2)) : 0;
      let from = column;
      for (let k: usize = 0; k < rowA; k += 4) {
        sum += load<f32>(first + k) * load<f32>(from);
        from += restB;
      }
      store<f32>(out + <usize>m * rowB + (<usize>n << 2), sum);
    }
  }
}
