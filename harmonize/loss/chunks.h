/* Chunks of pixels: from logits in memory to exponentials in a core's cache, and back. */

#include "pixels.h"
#ifdef __linux__
#include <sys/mman.h>
#endif

#define WIDEST 512        /* pixels whose logits are read together, at most */
#define CACHED 24576      /* exponentials kept at once, which fit into a core's cache */

/* The memory of one thread. */
typedef struct {
    float *e;     /* K x wide: exponentials */
    float *x;     /* K x wide: their logarithms, or null */
    float *by;    /* 2 x K x LANES: see `spread_out` */
    int64_t wide; /* pixels */
} Scratch;

static void free_scratch(Scratch *s) { free(s->e), free(s->x), free(s->by); }

static int get_scratch(Scratch *s, const Batch *b) {
    int64_t wide = CACHED / b->leaves / LANES * LANES;
    s->wide = wide < LANES ? LANES : wide > WIDEST ? WIDEST : wide;
    s->e = calloc((size_t)(b->leaves * s->wide), sizeof *s->e);
    s->x = b->smoothing != 0 ? calloc((size_t)(b->leaves * s->wide), sizeof *s->x) : NULL;
    s->by = calloc((size_t)(2 * b->leaves * LANES), sizeof *s->by);
    if (s->e && s->by && (s->x || b->smoothing == 0)) return 1;
    free_scratch(s);
    return 0;
}

/* Read `count` pixels of logits, or of what was written in their place, leaf after leaf, `wide`
   apart. */
static inline void read_pixels(const Batch *b, const logit_t *from, const int64_t *strides,
                               int64_t count, float *x, int64_t wide) {
    int64_t leaf = strides[1], pixel = strides[2];
    if (pixel == 1)
        for (int64_t k = 0; k < b->leaves; k++)
            for (int64_t p = 0; p < count; p++) x[k * wide + p] = from_logit(from[k * leaf + p]);
    else
        for (int64_t p = 0; p < count; p++)
            for (int64_t k = 0; k < b->leaves; k++)
                x[k * wide + p] = from_logit(from[k * leaf + p * pixel]);
}

/* Read logits as exponentials relative to each pixel's largest; x: takes those differences, or
   null; keep: takes the exponentials as K vectors for LANES pixels after the other, and rounding
   one over their sums, or null. */
static void read_exponentials(const Batch *b, const logit_t *logits, int64_t count, float *e,
                              float *x, int64_t wide, logit_t *keep, float *rounded) {
    read_pixels(b, logits, b->logit_strides, count, e, wide);
    for (int64_t p = 0; p < count; p += LANES) {
        floats top = load(e + p), all = splat(0);
        for (int64_t k = 1; k < b->leaves; k++) {
            floats other = load(e + k * wide + p);
            top = choose(other > top, other, top);
        }
        for (int64_t k = 0; x && k < b->leaves; k++)
            store(x + k * wide + p, load(e + k * wide + p) - top);
        for (int64_t k = 0; !keep && k < b->leaves; k++)
            store(e + k * wide + p, exponential(load(e + k * wide + p) - top));
        for (int64_t k = 0; keep && k < b->leaves; k++) {
            floats its = exponential(load(e + k * wide + p) - top);
            store(e + k * wide + p, its);
            all += pack(keep + p * b->leaves + k * LANES, its);
        }
        if (keep) store(rounded + p, 1.0f / all);
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

static inline float sum_of(floats x) {
    float sum = 0;
    for (int p = 0; p < LANES; p++) sum += x[p];
    return sum;
}

/* The pixels that need `exact_pixel`, one bit each. */
static inline uint32_t rare_of(const Outcome *out, int count) {
    uint32_t rare = 0;
    for (int p = 0; p < count; p++) rare |= (uint32_t)!out->kept[p] << p;
    return rare;
}

/* The log loss of the pixels at `at` of a chunk; what smoothing adds to the gradient is in `by`. */
static void find_log_loss(const Batch *b, const Scratch *s, const Runs *runs, int count, int64_t at,
                          Outcome *out) {
    if (b->smoothing == 0) {
        log_loss(b, runs, count, s->e + at, NULL, s->wide, 0, NULL, out);
        return;
    }
    memset(s->by, 0, (size_t)(2 * b->leaves * LANES) * sizeof *s->by);
    log_loss(b, runs, count, s->e + at, s->x + at, s->wide, 1, s->by, out);
}

/* Make the exponentials at `at` to their gradient. */
static void find_gradient(const Batch *b, const Scratch *s, const Runs *runs, int64_t at,
                          const floats *factor) {
    float *e = s->e + at, *added = s->by + b->leaves * LANES;
    if (b->smoothing == 0) to_gradient(b, runs, e, s->wide, e, s->wide, factor, NULL, NULL, NULL, splat(0));
    else to_gradient(b, runs, e, s->wide, e, s->wide, factor, s->by, added, NULL, splat(0));
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
