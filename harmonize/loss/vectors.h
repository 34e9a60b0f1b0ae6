/* Vectors of the CPU, each number of another pixel; exponentials and logarithms. */

#include "../system/logits.h"

#include <math.h>
#include <stdlib.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16 /* numbers in one vector of the CPU, each of another pixel */
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#define TINY 1e-30f       /* smaller sums lose their precision: they get a maximum of their own */

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));

static inline floats splat(float x) { return x - (floats){0}; }
static inline floats load(const float *from) {
    floats x;
    memcpy(&x, from, sizeof x);
    return x;
}
static inline void store(float *to, floats x) { memcpy(to, &x, sizeof x); }

/* Store numbers that are at least 0 as logits; returns them as they come back. */
static inline floats pack(logit_t *to, floats x) {
#if BFLOAT16
    ints bits = (ints)x + 0x8000;
#ifdef __AVX512F__ /* compilers take detours */
    _mm256_storeu_si256((void *)to, _mm512_cvtepi32_epi16((__m512i)(bits >> 16)));
#else
    halves packed = __builtin_convertvector(bits >> 16 & 0xffff, halves);
    memcpy(to, &packed, sizeof packed);
#endif
    return (floats)(bits & (int32_t)0xffff0000);
#else
    store(to, x);
    return x;
#endif
}
static inline floats unpack(const logit_t *from) {
#if BFLOAT16 && defined(__AVX512F__)
    return (floats)((ints)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from)) << 16);
#elif BFLOAT16
    halves packed;
    memcpy(&packed, from, sizeof packed);
    return (floats)(__builtin_convertvector(packed, ints) << 16);
#else
    return load(from);
#endif
}
static inline floats choose(ints where, floats yes, floats no) {
    return (floats)((where & (ints)yes) | (~where & (ints)no));
}

/* exp(x) for x <= 0; what lies below exp(-87) becomes that. After Cephes. */
static inline floats exponential(floats x) {
    const float round = 12582912.0f; /* adding 1.5 * 2^23 drops the fraction */
    x = choose(x < -87.0f, splat(-87.0f), x);
    floats n = x * 1.44269504f + round - round;
    x -= n * 0.693359375f;
    x += n * 2.12194440e-4f;
    floats y = splat(1.9875691500e-4f);
    y = y * x + 1.3981999507e-3f;
    y = y * x + 8.3334519073e-3f;
    y = y * x + 4.1665795894e-2f;
    y = y * x + 1.6666665459e-1f;
    y = y * x + 5.0000001201e-1f;
    y = y * (x * x) + x + 1.0f;
    return y * (floats)((__builtin_convertvector(n, ints) + 127) << 23);
}

/* log(x) for x > 0 that are not denormal. After Cephes. */
static inline floats logarithm(floats x) {
    ints n = ((ints)x - 0x3f3504f3) >> 23; /* leaves a mantissa from sqrt(1/2) to sqrt(2) */
    floats exponent = __builtin_convertvector(n, floats);
    floats r = (floats)((ints)x - (n << 23)) - 1.0f;
    floats y = splat(7.0376836292e-2f);
    y = y * r - 1.1514610310e-1f;
    y = y * r + 1.1676998740e-1f;
    y = y * r - 1.2420140846e-1f;
    y = y * r + 1.4249322787e-1f;
    y = y * r - 1.6668057665e-1f;
    y = y * r + 2.0000714765e-1f;
    y = y * r - 2.4999993993e-1f;
    y = y * r + 3.3333331174e-1f;
    y = y * r * (r * r) - 0.5f * (r * r) + r + exponent * 0.693147181f;
    return choose(x == x, y, x);
}
