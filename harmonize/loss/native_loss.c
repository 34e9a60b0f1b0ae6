/* The hierarchical loss and its gradient on a CPU, in one pass over the logits.

   Letters: K leaves, D depths, B pictures of P pixels, N rows of the tables (one per code, and
   the last for ignore). Compiled with DEPTHS = D, and with BFLOAT16 = 1 for logits and gradients
   of that type, 0 for float.

   For a pixel whose label has the agreement A, with e the exponentials of its logits less their
   maximum, s(d) is the sum of e over the leaves where A >= d. The loss is the sum over the depths
   of w(d) (log s(0) - log s(d)); the gradient of leaf k is e(k) times the sum over all depths of
   w(d) / s(0), less that over the depths d <= A(k) of w(d) / s(d).

   With a focal factor the loss at depth d is w(d) (1 - p) ** focal L for L = log s(0) - log s(d)
   and p = exp(-L), and its derivative by L takes the place of w(d) in the gradient. A region loss
   is a function of sums of probabilities; r(k), its derivative by that of leaf k at the pixel, adds
   p(k) (r(k) - the mean of r under p) to the gradient. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#if defined(__AVX512F__)
#define LANES 16 /* numbers in one vector of the CPU, each of another pixel */
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#define WIDEST 512        /* pixels whose logits are read together, at most */
#define CACHED 24576      /* exponentials kept at once, which fit into a core's cache */
#define TINY 1e-30f       /* smaller sums lose their precision: they get a maximum of their own */

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));

#if BFLOAT16
typedef uint16_t logit_t;
static inline float from_logit(logit_t stored) {
    uint32_t bits = (uint32_t)stored << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline logit_t to_logit(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16; /* to the nearest, ties to even */
    return (logit_t)(value == value ? rounded : 0x7fc0);
}
#else
typedef float logit_t;
static inline float from_logit(logit_t stored) { return stored; }
static inline logit_t to_logit(float value) { return value; }
#endif

typedef struct {
    const logit_t *logits;
    int64_t logit_strides[3]; /* of pictures, leaves and pixels */
    logit_t *slope;           /* gradient, or null */
    int64_t slope_strides[3];
    const int32_t *row;       /* B x P: the row of each pixel's label in the tables */
    int64_t pixels, leaves;
    const int32_t *order;     /* N x K: the leaves, those of the greatest agreement first */
    const int32_t *until;     /* N x (D + 1): how many leaves have an agreement of at least d */
    const float *weight;      /* N x D: of depth 1, ... */
    const uint8_t *resolved;  /* N x D */
    double *total;            /* B: the weighted loss, added to */
    double *terms;            /* B x D: the loss of each resolved depth, added to */
    float *losses;            /* B x P: the weighted loss of each pixel, or null */
    const float *region;      /* B x M x K: derivatives of a region loss, or null */
    const int32_t *region_row; /* B x P: the row of each pixel there */
    int64_t region_rows;      /* M */
    float focal;              /* the power of the focal factor, or 0 */
} Batch;

static inline floats splat(float x) { return x - (floats){0}; }
static inline floats load(const float *from) {
    floats x;
    memcpy(&x, from, sizeof x);
    return x;
}
static inline void store(float *to, floats x) { memcpy(to, &x, sizeof x); }
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

/* The derivatives of the region loss at a pixel, or null. */
static inline const float *region_of(const Batch *b, int64_t place) {
    if (!b->region) return NULL;
    int64_t row = place / b->pixels * b->region_rows + b->region_row[place];
    return b->region + row * b->leaves;
}

/* The derivatives of LANES pixels, of which the first `count` are there. */
typedef struct {
    const float *of[LANES];
    ints runs[LANES];
    int num_runs;
} Regions;

static void find_regions(Regions *found, const Batch *b, int64_t place, int count) {
    ints lane;
    for (int p = 0; p < LANES; p++) lane[p] = p;
    found->num_runs = 0;
    for (int p = 0; b->region && p < count; p++) {
        const float *its = region_of(b, place + p);
        if (p > 0 && its == found->of[found->num_runs - 1]) continue;
        found->of[found->num_runs] = its;
        found->runs[found->num_runs++] = lane >= p; /* later ones take over */
    }
}

static inline floats region_at(const Regions *found, int64_t leaf) {
    floats value = splat(found->of[0][leaf]);
    for (int run = 1; run < found->num_runs; run++)
        value = choose(found->runs[run], splat(found->of[run][leaf]), value);
    return value;
}

/* The focal factor of a term, and the derivative of their product by the term. */
static inline floats focal_factor(float power, floats term, floats *derivative) {
    floats small = term * (1.0f - term * (0.5f - term * 0.16666667f));
    floats other = choose(term < 0.01f, small, 1.0f - exponential(-term)); /* 1 - p */
    other = choose(other < TINY, splat(TINY), other);
    floats factor = power == 2 ? other * other : exponential(power * logarithm(other));
    *derivative = factor + power * term * (1.0f - other) * factor / other;
    return factor;
}

/* One pixel by the definition, in double precision and with a maximum for every depth. */
static void exact_pixel(const Batch *b, const logit_t *logits, logit_t *slope, int64_t place,
                        double *total, double *terms) {
    int64_t row = b->row[place], leaf = b->logit_strides[1];
    const float *region = region_of(b, place);
    const int32_t *order = b->order + row * b->leaves;
    const int32_t *until = b->until + row * (DEPTHS + 1);
    double top[DEPTHS + 1], sum[DEPTHS + 1], pull[DEPTHS + 1] = {0}, loss = 0, mean = 0;
    for (int d = 0; d <= DEPTHS; d++) {
        top[d] = -INFINITY, sum[d] = 0;
        for (int i = 0; i < until[d]; i++)
            top[d] = fmax(top[d], from_logit(logits[order[i] * leaf]));
        for (int i = 0; i < until[d]; i++)
            sum[d] += exp(from_logit(logits[order[i] * leaf]) - top[d]);
        if (d == 0 || !b->resolved[row * DEPTHS + d - 1]) continue;
        double weight = b->weight[row * DEPTHS + d - 1];
        double term = top[0] + log(sum[0]) - top[d] - log(sum[d]);
        double other = fmax(-expm1(-term), TINY), factor = pow(other, b->focal);
        terms[d - 1] += term;
        loss += weight * factor * term;
        if (b->focal != 0) weight *= factor + b->focal * term * (1 - other) * factor / other;
        pull[0] += weight;
        pull[d] = -weight;
    }
    *total += loss;
    if (b->losses) b->losses[place] = (float)loss;
    for (int64_t k = 0; region && k < b->leaves; k++)
        mean += region[k] * exp(from_logit(logits[k * leaf]) - top[0]) / sum[0];
    for (int64_t i = 0; slope && i < b->leaves; i++) {
        double x = from_logit(logits[order[i] * leaf]), gradient = 0;
        if (region) gradient = (region[order[i]] - mean) * exp(x - top[0]) / sum[0];
        for (int d = 0; d <= DEPTHS && i < until[d]; d++)
            gradient += pull[d] * exp(x - top[d]) / sum[d];
        slope[order[i] * b->slope_strides[1]] = to_logit((float)gradient);
    }
}

/* Work off LANES pixels, of which the first `count` are there: e, the exponentials of leaf after
   leaf, `wide` apart, becomes the gradient if one is wanted. Returns the pixels that need
   `exact_pixel`, one bit each; they are not added. */
static uint32_t work_off(const Batch *b, float *e, int64_t wide, int64_t place, int count,
                         double *total, double *terms) {
    const int32_t *rows = b->row + place;
    Regions regions;
    floats sum[DEPTHS + 1], weight[DEPTHS + 1], resolved[DEPTHS + 1], factor[DEPTHS + 1];
    ints lane, runs[LANES], kept;
    int starts[LANES + 1], num_runs = 0;
    for (int p = 0; p < LANES; p++) lane[p] = p;
    for (int p = 0; p < count; p++)
        if (p == 0 || rows[p] != rows[p - 1]) starts[num_runs++] = p;
    starts[num_runs] = LANES;
    for (int d = 0; d <= DEPTHS; d++) sum[d] = weight[d] = resolved[d] = splat(0);
    for (int run = 0; run < num_runs; run++) {
        int64_t row = rows[starts[run]];
        const int32_t *order = b->order + row * b->leaves;
        const int32_t *until = b->until + row * (DEPTHS + 1);
        floats within = splat(0);
        runs[run] = (lane >= starts[run]) & (lane < starts[run + 1]);
        for (int d = DEPTHS, i = 0; d >= 0; d--) {
            for (; i < until[d]; i++) within += load(e + order[i] * wide);
            sum[d] = choose(runs[run], within, sum[d]);
        }
        for (int d = 1; d <= DEPTHS; d++) {
            weight[d] = choose(runs[run], splat(b->weight[row * DEPTHS + d - 1]), weight[d]);
            floats whether = splat(b->resolved[row * DEPTHS + d - 1]);
            resolved[d] = choose(runs[run], whether, resolved[d]);
        }
    }
    kept = lane < count;
    for (int d = 1; d <= DEPTHS; d++) kept &= (resolved[d] == 0) | ~(sum[d] < TINY);
    floats log_all = logarithm(sum[0]), loss = splat(0), all = splat(0);
    factor[0] = splat(0);
    for (int d = 1; d <= DEPTHS; d++) {
        floats within = choose(resolved[d] != 0, sum[d], sum[0]);
        floats term = choose(kept, log_all - logarithm(within), splat(0));
        term = choose(resolved[d] != 0, term, splat(0));
        floats factor_of_term = splat(1), derivative = splat(1);
        if (b->focal != 0) factor_of_term = focal_factor(b->focal, term, &derivative);
        loss += weight[d] * factor_of_term * term;
        weight[d] *= derivative;
        all += weight[d];
        factor[d] = factor[d - 1] - weight[d] / within;
        float terms_sum = 0;
        for (int p = 0; p < LANES; p++) terms_sum += term[p];
        terms[d - 1] += terms_sum;
    }
    for (int p = 0; p < LANES; p++) *total += loss[p];
    for (int p = 0; b->losses && p < count; p++) b->losses[place + p] = loss[p];
    floats inverse = 1.0f / sum[0], mean = splat(0);
    for (int d = 0; d <= DEPTHS; d++) factor[d] += all * inverse;
    find_regions(&regions, b, place, b->slope ? count : 0);
    for (int64_t k = 0; regions.num_runs && k < b->leaves; k++)
        mean += load(e + k * wide) * region_at(&regions, k);
    if (regions.num_runs)
        for (int d = 0; d <= DEPTHS; d++) factor[d] -= mean * inverse * inverse;
    for (int run = 0; b->slope && run < num_runs; run++) {
        int64_t row = rows[starts[run]];
        const int32_t *order = b->order + row * b->leaves;
        const int32_t *until = b->until + row * (DEPTHS + 1);
        for (int d = DEPTHS, i = 0; d >= 0; d--) {
            floats by = choose(runs[run], factor[d], splat(1));
            for (; i < until[d]; i++) {
                floats its = by;
                if (regions.num_runs) {
                    its += region_at(&regions, order[i]) * inverse;
                    its = choose(runs[run], its, splat(1));
                }
                store(e + order[i] * wide, load(e + order[i] * wide) * its);
            }
        }
    }
    uint32_t rare = 0;
    for (int p = 0; p < count; p++) rare |= (uint32_t)!kept[p] << p;
    return rare;
}

/* Read the logits of `count` pixels, as exponentials relative to each pixel's largest logit. */
static void read_exponentials(const Batch *b, const logit_t *logits, int64_t count, float *e,
                              int64_t wide) {
    int64_t leaf = b->logit_strides[1], pixel = b->logit_strides[2];
    if (pixel == 1)
        for (int64_t k = 0; k < b->leaves; k++)
            for (int64_t p = 0; p < count; p++)
                e[k * wide + p] = from_logit(logits[k * leaf + p]);
    else
        for (int64_t p = 0; p < count; p++)
            for (int64_t k = 0; k < b->leaves; k++)
                e[k * wide + p] = from_logit(logits[k * leaf + p * pixel]);
    for (int64_t p = 0; p < count; p += LANES) {
        floats top = load(e + p);
        for (int64_t k = 1; k < b->leaves; k++) {
            floats x = load(e + k * wide + p);
            top = choose(x > top, x, top);
        }
        for (int64_t k = 0; k < b->leaves; k++)
            store(e + k * wide + p, exponential(load(e + k * wide + p) - top));
    }
}

static void write_slope(const Batch *b, const float *e, int64_t wide, int64_t count,
                        logit_t *slope) {
    int64_t leaf = b->slope_strides[1], pixel = b->slope_strides[2];
    if (pixel == 1)
        for (int64_t k = 0; k < b->leaves; k++)
            for (int64_t p = 0; p < count; p++)
                slope[k * leaf + p] = to_logit(e[k * wide + p]);
    else
        for (int64_t p = 0; p < count; p++)
            for (int64_t k = 0; k < b->leaves; k++)
                slope[k * leaf + p * pixel] = to_logit(e[k * wide + p]);
}

/* Have fresh memory come in pages of 2 MiB where the system has them: getting it in small ones
   takes as long as the sums. */
void use_large_pages(char *memory, int64_t bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t page = 2 << 20;
    uintptr_t first = ((uintptr_t)memory + page - 1) / page * page;
    uintptr_t last = ((uintptr_t)memory + (uintptr_t)bytes) / page * page;
    if (first < last) madvise((void *)first, last - first, MADV_HUGEPAGE); /* a hint: may fail */
#else
    (void)memory, (void)bytes;
#endif
}

/* Work off the pixels first, ..., last - 1 of the batch, adding to the sums of their pictures.
   Returns 0, or 1 if there is no memory. */
int hierarchical_loss(const Batch *b, int64_t first, int64_t last) {
    int64_t wide = CACHED / b->leaves / LANES * LANES;
    wide = wide < LANES ? LANES : wide > WIDEST ? WIDEST : wide;
    float *e = calloc((size_t)(b->leaves * wide), sizeof *e);
    if (!e) return 1;
    for (int64_t start = first, count; start < last; start += count) {
        int64_t picture = start / b->pixels, pixel = start % b->pixels;
        count = b->pixels - pixel < last - start ? b->pixels - pixel : last - start;
        count = count < wide ? count : wide;
        const int64_t *of = b->logit_strides, *to = b->slope_strides;
        const logit_t *logits = b->logits + picture * of[0] + pixel * of[2];
        logit_t *slope = b->slope ? b->slope + picture * to[0] + pixel * to[2] : NULL;
        double *total = b->total + picture, *terms = b->terms + picture * DEPTHS;
        uint32_t rare[WIDEST / LANES];
        read_exponentials(b, logits, count, e, wide);
        for (int64_t p = 0; p < count; p += LANES) {
            int here = count - p < LANES ? (int)(count - p) : LANES;
            rare[p / LANES] = work_off(b, e + p, wide, start + p, here, total, terms);
        }
        if (slope) write_slope(b, e, wide, count, slope);
        for (int64_t p = 0; p < count; p++)
            if (rare[p / LANES] >> p % LANES & 1)
                exact_pixel(b, logits + p * of[2], slope ? slope + p * to[2] : NULL, start + p,
                            total, terms);
    }
    free(e);
    return 0;
}

/* Add the probabilities of the pixels first, ..., last - 1 of a chunk, whole vectors of one row
   unless `last` is less than a vector away; `inverse` is one over the sum of each pixel's
   exponentials. */
static void add_shares(const float *e, int64_t wide, const float *inverse, int64_t leaves,
                       int64_t first, int64_t last, double *found) {
    for (int64_t k = 0; k < leaves; k++) {
        const float *of = e + k * wide;
        floats sum = splat(0);
        int64_t p = first;
        float rest = 0;
        for (; p + LANES <= last; p += LANES) sum += load(of + p) * load(inverse + p);
        for (; p < last; p++) rest += of[p] * inverse[p];
        for (int i = 0; i < LANES; i++) rest += sum[i];
        found[k] += rest;
    }
}

/* Add up, for the codes of one picture's pixels, the probability of each leaf: found is M x K, with
   the rows of `region_row`. Returns 0, or 1 if there is no memory. */
int soft_confusion(const Batch *b, int64_t picture, double *found) {
    int64_t wide = CACHED / b->leaves / LANES * LANES, leaves = b->leaves;
    wide = wide < LANES ? LANES : wide > WIDEST ? WIDEST : wide;
    float *e = calloc((size_t)(leaves * wide), sizeof *e), inverse[WIDEST];
    if (!e) return 1;
    const int32_t *rows = b->region_row + picture * b->pixels;
    const logit_t *logits = b->logits + picture * b->logit_strides[0];
    for (int64_t start = 0, count; start < b->pixels; start += count) {
        count = b->pixels - start < wide ? b->pixels - start : wide;
        read_exponentials(b, logits + start * b->logit_strides[2], count, e, wide);
        for (int64_t p = 0; p < count; p += LANES) {
            floats all = splat(0);
            for (int64_t k = 0; k < leaves; k++) all += load(e + k * wide + p);
            store(inverse + p, 1.0f / all);
        }
        const int32_t *row = rows + start;
        for (int64_t first = 0, last; first < count; first = last) {
            for (last = first + 1; last < count && row[last] == row[first];) last++;
            add_shares(e, wide, inverse, leaves, first, last, found + row[first] * leaves);
        }
    }
    free(e);
    return 0;
}
