/* Vectors of sixteen neighbouring pixels of a row, and what is done to all of them at once. */

#include "../system/logits.h"

#include <stdlib.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define LANES 16 /* of a vector */

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));

static inline floats all_of(float x) { return x - (floats){0}; }
static inline floats load(const float *from) {
    floats x;
    memcpy(&x, from, sizeof x);
    return x;
}
static inline void store(float *to, floats x) { memcpy(to, &x, sizeof x); }

static inline floats from_logits(const logit_t *stored) {
#if BFLOAT16 && defined(__AVX512F__) /* compilers take detours */
    return (floats)((ints)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)stored)) << 16);
#else
    logit_t vector __attribute__((vector_size(sizeof(logit_t) * LANES)));
    memcpy(&vector, stored, sizeof vector);
#if BFLOAT16
    return (floats)(__builtin_convertvector(vector, ints) << 16);
#else
    return vector;
#endif
#endif
}

static inline floats choose(ints which, floats a, floats b) {
    return (floats)((which & (ints)a) | (~which & (ints)b));
}

/* Where `value` is larger than `best`, or no number, it takes its place, and `unit` that of
   `chosen`. */
static inline void keep_better(floats value, ints unit, floats *best, ints *chosen) {
#ifdef __AVX512F__
    __mmask16 better = _mm512_cmp_ps_mask((__m512)value, (__m512)*best, _CMP_NLE_UQ);
    *best = (floats)_mm512_max_ps((__m512)*best, (__m512)value); /* waits for no comparison */
    *chosen = (ints)_mm512_mask_mov_epi32((__m512i)*chosen, better, (__m512i)unit);
#else
    ints better = ~(value <= *best);
    *best = choose(better, value, *best);
    *chosen = (better & unit) | (~better & *chosen);
#endif
}

static inline floats larger(floats a, floats b) {
#ifdef __AVX512F__
    return (floats)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return choose(a > b, a, b);
#endif
}

static inline int all_between(floats x, float low, float high) {
    ints inside = (x > low) & (x < high);
    int32_t all = -1;
    for (int l = 0; l < LANES; l++) all &= inside[l];
    return all != 0;
}

/* exp(x), good to 4e-7 of it; what is below exp(-87) or above exp(88) becomes no more than that, or
   infinite. */
static inline floats exponential(floats x) {
    const float round = 12582912.0f; /* adding 1.5 * 2^23 drops the fraction */
#ifdef __AVX512F__
    x = larger(all_of(-100.0f), x);
#else
    x = choose(x < -87.0f, all_of(-87.0f), x);
    x = choose(x > 88.0f, all_of(88.0f), x);
#endif
    floats shifted = x * 1.44269504f + round, n = shifted - round;
    floats r = x - n * 0.693147181f; /* fused: it has rounding of its own only in the constant */
    floats y = r * 8.290306e-3f + 4.1897976e-2f;
    y = y * r + 1.6667636e-1f;
    y = y * r + 4.9999149e-1f;
    y = y * r + 9.9999971e-1f;
    y = y * r + 1.0f;
#ifdef __AVX512F__
    return (floats)_mm512_scalef_ps((__m512)y, (__m512)n);
#else
    return (floats)((ints)y + ((ints)shifted << 23));
#endif
}

#define HALVES(distance, low, high)                      \
    for (int i = 0; i < LANES; i++) {                    \
        if (i & (distance)) continue;                    \
        ints a = row[i], b = row[i + (distance)];        \
        row[i] = __builtin_shuffle(a, b, low);           \
        row[i + (distance)] = __builtin_shuffle(a, b, high); \
    }

/* Turn the rows of sixteen vectors into columns, by exchanging quarters of ever smaller squares. */
static inline void transpose(ints *row) {
    const ints low8 = {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23};
    const ints low4 = {0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27};
    const ints low2 = {0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29};
    const ints low1 = {0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30};
    HALVES(8, low8, low8 + 8)
    HALVES(4, low4, low4 + 4)
    HALVES(2, low2, low2 + 2)
    HALVES(1, low1, low1 + 1)
}
