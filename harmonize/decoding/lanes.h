/* Vectors of LANES neighbouring pixels of a row, and what is done to all of them at once. */

#include "../system/logits.h"

#include <stdlib.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#ifdef __AVX512F__ /* as wide as the processor's: wider ones are split into single numbers */
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

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

/* exp(x), good to 4e-7 of it, to 5e-6 without fused multiplication and addition; what is below exp(-87) or above
   exp(88) becomes no more than that, or infinite. */
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

/* LANES numbers of two vectors, by constant places: those of the second follow the first's. */
#ifdef __clang__
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (ints){__VA_ARGS__})
#endif

/* The same with places that are known at run time only. */
static inline floats pick(floats a, floats b, ints places) {
#ifdef __AVX512F__
    return (floats)_mm512_permutex2var_ps((__m512)a, (__m512i)places, (__m512)b);
#elif defined(__AVX2__)
    __m256 first = _mm256_permutevar8x32_ps((__m256)a, (__m256i)places);
    __m256 second = _mm256_permutevar8x32_ps((__m256)b, (__m256i)places);
    return choose(places < LANES, (floats)first, (floats)second);
#else
    floats both[2] = {a, b}, found;
    for (int l = 0; l < LANES; l++) found[l] = ((const float *)both)[places[l]];
    return found;
#endif
}

/* Exchange the halves of squares of twice the distance. */
#define EXCHANGE(distance, low, high)             \
    for (int i = 0; i < LANES; i++) {             \
        if (i & (distance)) continue;             \
        ints a = row[i], b = row[i + (distance)]; \
        row[i] = PICK(a, b, low);                 \
        row[i + (distance)] = PICK(a, b, high);   \
    }
#if LANES == 16
#define LOW8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOW4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#elif LANES == 8
#define LOW4 0, 1, 2, 3, 8, 9, 10, 11
#define HIGH4 4, 5, 6, 7, 12, 13, 14, 15
#define LOW2 0, 1, 8, 9, 4, 5, 12, 13
#define HIGH2 2, 3, 10, 11, 6, 7, 14, 15
#define LOW1 0, 8, 2, 10, 4, 12, 6, 14
#define HIGH1 1, 9, 3, 11, 5, 13, 7, 15
#else
#define LOW2 0, 1, 4, 5
#define HIGH2 2, 3, 6, 7
#define LOW1 0, 4, 2, 6
#define HIGH1 1, 5, 3, 7
#endif

/* Turn the rows of LANES vectors into columns, by exchanging quarters of ever smaller squares. */
static inline void transpose(ints *row) {
#ifdef LOW8
    EXCHANGE(8, LOW8, HIGH8)
#endif
#ifdef LOW4
    EXCHANGE(4, LOW4, HIGH4)
#endif
    EXCHANGE(2, LOW2, HIGH2)
    EXCHANGE(1, LOW1, HIGH1)
}
