/* Scores a picture's logits on a CPU: scales them to the label's size, takes the most probable class
   of each pixel and counts it. Only two rows of the logits are ever copied.

   Letters: C classes, h x w pixels of the logits, H x W of the label. N slots hold the leaves of
   the classes. Where every class is one leaf, they are in the order of the classes. Otherwise they
   are V blocks of R vectors, and a class has lanes of its own: its leaves lie in those lanes of a
   block, so that adding up the block's vectors, and then the lanes, sums each class.
   Compiled with BFLOAT16 = 0 (float) or 1. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16 /* of a vector */
#define EMPTY -3e38f /* in a slot without a leaf */
#define UNKNOWN -2
#define UNSURE -1

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
#else
typedef float logit_t;
static inline float from_logit(logit_t stored) { return stored; }
#endif

typedef struct {
    const logit_t *logits;
    int64_t leaf_stride, row_stride, column_stride;
    int64_t height, width; /* h, w */
    const void *classes;   /* H x W, of class_bytes each */
    int64_t class_bytes, label_height, label_width;
    int64_t slots;         /* N, at least LANES */
    int64_t filled;        /* the slots that hold a leaf; the others never win */
    const int32_t *slot;   /* of each that is filled */
    const int32_t *leaf;   /* the logit of each that is filled */
    const int32_t *owner;  /* N: the class of each slot */
    int64_t direct;        /* the logits of a pixel are the slots as they lie */
    int64_t single;        /* every class is one leaf */
    int64_t blocks, depth; /* V, R */
    int64_t num_classes;   /* C */
    const uint8_t *scored; /* C: whether a class has leaves */
    int64_t further;       /* the lanes of classes that have several, beside their first */
    const int32_t *first_lane, *further_lane;
    float lead;            /* a leaf so far above all leaves of other classes wins for its own */
    int64_t *counts;       /* C x C: truth, prediction */
} Picture;

/* Between the pixels `low` and `low + step` of the logits, `part` of the way. */
typedef struct {
    int64_t low, step;
    float part;
} Place;

/* Two rows of the logits, the odd and the even one, and memory for one pixel. */
typedef struct {
    int64_t number[2];
    float *copy[2];       /* K logits beside each other, where they do not lie so already */
    const float *row[2];  /* those, or the picture's own */
    int32_t *sure[2];     /* the leaf that wins each pixel for its class, UNSURE or UNKNOWN */
    float *value, *sum;   /* N and V * LANES */
    Place *column;        /* of each of the label's columns */
} Rows;

/* Where the middle of a label's pixel lies, as bilinear interpolation has it. */
static inline Place place(int64_t at, int64_t from, int64_t to) {
    if (from == to) return (Place){at, 0, 0};
    float scale = (float)from / (float)to;
    float position = scale * ((float)at + 0.5f) - 0.5f;
    position = position < 0 ? 0 : position;
    int64_t low = (int64_t)position;
    low = low > from - 1 ? from - 1 : low;
    float part = position - (float)low;
    int inside = low < from - 1 && part > 0;
    return (Place){low, inside, inside ? part : 0};
}

/* exp(x) for x <= 0; what is below exp(-87) becomes 0. */
static inline floats exponential(floats x) {
    floats n = x * 1.44269504f + 12582912.0f; /* so large that its last bits are the integer part */
    ints power = ((ints)n + (127 - 0x4b400000)) << 23;
    n -= 12582912.0f;
    floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
    floats y = r * 1.9875691500e-4f + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = (y * r * r + r + 1.0f) * (floats)power;
    return (floats)((x > -87.0f) & (ints)y);
}

/* Where the next vector begins; the last one overlaps. */
static inline int64_t following(int64_t start, int64_t n) {
    return start + 2 * LANES > n && start + LANES < n ? n - LANES : start + LANES;
}

/* Return the first of n >= LANES values that none exceeds. */
static inline int32_t largest(const float *value, int64_t n) {
    floats top, next;
    ints number, at;
    for (int l = 0; l < LANES; l++) number[l] = l;
    at = number;
    memcpy(&top, value, sizeof top);
    for (int64_t i = following(0, n); i < n; i = following(i, n)) {
        memcpy(&next, value + i, sizeof next);
        ints better = next > top;
        at = (better & (number + (int32_t)i)) | (~better & at);
        top = (floats)((better & (ints)next) | (~better & (ints)top));
    }
    ints key = (ints)(top + 0.0f); /* integers in the order of the values */
    key ^= (key >> 31) & INT32_MAX;
    int32_t best = INT32_MIN, first = INT32_MAX;
    for (int l = 0; l < LANES; l++) best = key[l] > best ? key[l] : best;
    ints not_best = key != best;
    at |= not_best & INT32_MAX;
    for (int l = 0; l < LANES; l++) first = at[l] < first ? at[l] : first;
    return first;
}

/* Return whether no leaf of another class comes near the largest one. */
static inline int is_sure(const Picture *p, const float *value, int32_t largest) {
    int32_t own = p->owner[largest], any = 0;
    float limit = value[largest] - p->lead;
    ints rivals = {0}, owner;
    floats next;
    for (int64_t i = 0; i < p->slots; i = following(i, p->slots)) {
        memcpy(&owner, p->owner + i, sizeof owner);
        memcpy(&next, value + i, sizeof next);
        rivals |= (owner != own) & ~(next < limit);
    }
    for (int l = 0; l < LANES; l++) any |= rivals[l];
    return !any;
}

/* Return the first class with the largest sum of probabilities. */
static int32_t best_class(const Picture *p, const float *value, float *sum, float top) {
    for (int64_t block = 0; block < p->blocks; block++) {
        floats total = {0}, next;
        for (int64_t i = 0; i < p->depth; i++, value += LANES) {
            memcpy(&next, value, sizeof next);
            total += exponential(next - top);
        }
        memcpy(sum + block * LANES, &total, sizeof total);
    }
    for (int64_t i = 0; i < p->further; i++) {
        sum[p->first_lane[i]] += sum[p->further_lane[i]];
        sum[p->further_lane[i]] = 0;
    }
    int32_t lane = largest(sum, p->blocks * LANES);
    return p->owner[lane / LANES * p->depth * LANES + lane % LANES];
}

static inline int64_t class_at(const Picture *p, int64_t at) {
    switch (p->class_bytes) {
    case 1: return ((const uint8_t *)p->classes)[at];
    case 2: return ((const int16_t *)p->classes)[at];
    case 4: return ((const int32_t *)p->classes)[at];
    default: return ((const int64_t *)p->classes)[at];
    }
}

/* Fill the slots of a row's pixels, whose leaves lie beside each other. */
static void copy_pixels(const logit_t *restrict from, int64_t width, int64_t stride, int64_t slots,
                        int64_t filled, const int32_t *restrict leaf, const int32_t *restrict slot,
                        float *restrict into) {
    for (int64_t x = 0; x < width; x++, from += stride, into += slots)
        for (int64_t i = 0; i < filled; i++) {
            into[slot[i]] = from_logit(from[leaf[i]]);
            __asm__ volatile("" ::: "memory"); /* one by one: the CPU's own scattering is slow */
        }
}

/* The same where a leaf's pixels lie beside each other; a few at a time stay in the cache. */
static void copy_leaves(const logit_t *from, const Picture *p, float *into) {
    for (int64_t start = 0; start < p->width; start += LANES) {
        int64_t end = start + LANES < p->width ? start + LANES : p->width;
        for (int64_t i = 0; i < p->filled; i++) {
            const logit_t *leaf = from + p->leaf[i] * p->leaf_stride;
            for (int64_t x = start; x < end; x++)
                into[x * p->slots + p->slot[i]] = from_logit(leaf[x * p->column_stride]);
        }
    }
}

/* Make a row of the logits one of the two; return which. */
static int need_row(const Picture *p, Rows *r, int64_t number) {
    int which = (int)(number & 1);
    if (r->number[which] == number) return which;
    const logit_t *source = p->logits + number * p->row_stride;
    float *copy = r->copy[which];
    r->number[which] = number;
    for (int64_t x = 0; x < p->width; x++) r->sure[which][x] = UNKNOWN;
    r->row[which] = p->direct ? (const float *)source : copy;
    if (p->direct) return which;
    if (p->leaf_stride == 1)
        copy_pixels(source, p->width, p->column_stride, p->slots, p->filled, p->leaf, p->slot, copy);
    else
        copy_leaves(source, p, copy);
    return which;
}

/* Return the slot that wins a pixel of the logits for its class for sure, or UNSURE. */
static inline int32_t sure_at(const Picture *p, Rows *r, int which, int64_t x) {
    int32_t *sure = r->sure[which] + x;
    if (*sure == UNKNOWN) {
        const float *value = r->row[which] + x * p->slots;
        int32_t slot = largest(value, p->slots);
        *sure = p->single || is_sure(p, value, slot) ? slot : UNSURE;
    }
    return *sure;
}

/* Scale bilinearly: `down` of the way from between a and b to between c and d. */
static inline void blend(const float *const corner[4], int64_t n, float across, float down,
                         float *into) {
    floats a, b, c, d;
    for (int64_t i = 0; i < n; i = following(i, n)) {
        memcpy(&a, corner[0] + i, sizeof a), memcpy(&b, corner[1] + i, sizeof b);
        memcpy(&c, corner[2] + i, sizeof c), memcpy(&d, corner[3] + i, sizeof d);
        a += across * (b - a), c += across * (d - c);
        a += down * (c - a);
        memcpy(into + i, &a, sizeof a);
    }
}

/* Return the class of the pixel between four of the logits' pixels. A leaf that wins all four for
   its class wins between them too: its lead over any other leaf is a mean of four. */
static inline int32_t predict(const Picture *p, Rows *r, int low, int high, Place x, float down) {
    int32_t sure = sure_at(p, r, low, x.low);
    int between = x.step || high != low;
    if (sure >= 0 && (!between || (sure == sure_at(p, r, high, x.low) &&
                                   sure == sure_at(p, r, low, x.low + x.step) &&
                                   sure == sure_at(p, r, high, x.low + x.step))))
        return p->owner[sure];
    const float *a = r->row[low] + x.low * p->slots, *c = r->row[high] + x.low * p->slots;
    const float *value = a;
    if (between) {
        int64_t step = x.step * p->slots;
        const float *const corner[4] = {a, a + step, c, c + step};
        blend(corner, p->slots, x.part, down, r->value);
        value = r->value;
    }
    int32_t slot = largest(value, p->slots);
    if (p->single || (between && is_sure(p, value, slot))) return p->owner[slot];
    return best_class(p, value, r->sum, value[slot]);
}

/* Have memory for two rows. */
static float *start_rows(const Picture *p, Rows *r) {
    int64_t copied = p->direct ? 0 : p->width * p->slots, sums = p->blocks * LANES;
    int64_t size = 2 * copied + 2 * p->width + p->slots + sums;
    float *memory = malloc(sizeof(float) * (size_t)size);
    r->column = malloc(sizeof(Place) * (size_t)p->label_width);
    if (!memory || !r->column) {
        free(memory), free(r->column);
        return NULL;
    }
    for (int64_t i = 0; i < size; i++) memory[i] = EMPTY;
    for (int i = 0; i < 2; i++) {
        r->number[i] = -1;
        r->copy[i] = memory + i * copied;
        r->sure[i] = (int32_t *)(memory + 2 * copied + i * p->width);
    }
    r->value = memory + 2 * copied + 2 * p->width;
    r->sum = r->value + p->slots;
    for (int64_t x = 0; x < p->label_width; x++) r->column[x] = place(x, p->width, p->label_width);
    return memory;
}

/* Count the label's rows first, ..., last - 1. Returns 0; 1 if there is no memory, 2 if a class is
   out of range. */
int count_pixels(const Picture *p, int64_t first, int64_t last) {
    Rows r;
    float *memory = start_rows(p, &r);
    if (!memory) return 1;
    int failed = 0;
    for (int64_t row = first; row < last && !failed; row++) {
        Place y = place(row, p->height, p->label_height);
        int low = need_row(p, &r, y.low), high = y.step ? need_row(p, &r, y.low + 1) : low;
        for (int64_t column = 0; column < p->label_width; column++) {
            int64_t truth = class_at(p, row * p->label_width + column);
            failed = truth < 0 || truth >= p->num_classes ? 2 : 0;
            if (failed) break;
            if (!p->scored[truth]) continue;
            int32_t predicted = predict(p, &r, low, high, r.column[column], y.part);
            p->counts[truth * p->num_classes + predicted]++;
        }
    }
    free(memory), free(r.column);
    return failed;
}
