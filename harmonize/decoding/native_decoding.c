/* Decides on a CPU what each pixel of a picture is answered as: scales the logits to the size of the
   answer and chooses among the units of a decoding tree. Sixteen neighbours of a row go through
   together, so that all that is done for a leaf or group is done for a vector of pixels.

   Letters: h x w pixels of the logits, H x W of the answer, F leaves in some unit, U units, D
   depths with their groups one after the other, N in all; those of depth D are the units.
   Compiled with BFLOAT16 = 0 (float) or 1. */

#include "../system/logits.h"

#include <stdlib.h>

#define LANES 16 /* of a vector */
enum { TREE, LEAVES, HEIGHT };

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));

static inline floats from_logits(const logit_t *stored) {
    logit_t vector __attribute__((vector_size(sizeof(logit_t) * LANES)));
    memcpy(&vector, stored, sizeof vector);
#if BFLOAT16
    return (floats)(__builtin_convertvector(vector, ints) << 16);
#else
    return vector;
#endif
}

typedef struct {
    const logit_t *logits;
    int64_t leaf_stride, row_stride, column_stride;
    int64_t height, width; /* h, w */
    int64_t full_height, full_width; /* H, W */
    int64_t leaves;        /* F */
    const int32_t *leaf;   /* F: the logit of each */
    const int32_t *unit;   /* F: the unit that each is in */
    int64_t beside;        /* the logits of a pixel are these leaves, F >= LANES in a row */
    int64_t single;        /* every unit is one leaf */
    int64_t depths;        /* D */
    const int32_t *start;  /* D + 1: where the groups of each depth begin */
    const int32_t *parent; /* N: the group of the depth above, counted over all depths */
    const float *weight;   /* N: what the group is worth where it is right */
    const uint8_t *allowed; /* N: whether the group has a unit that may be answered */
    int64_t how;           /* TREE, LEAVES or HEIGHT */
    float lead;            /* a leaf so far above all others is more probable than all of them */
    int32_t *answer;       /* H x W: units */
} Picture;

/* Between the pixels `low` and `low + step` of the logits, `part` of the way. */
typedef struct {
    int32_t low, step;
    float part;
} Place;

typedef struct {
    int64_t padded;      /* w, and room for two vectors from the last pixel on */
    int64_t number[2];   /* of the two rows of logits that are copied */
    float *copy[2], *row; /* F x padded: those, and what lies between them */
    Place *column;       /* W, and room for a vector */
    floats *value, *sum; /* F and N */
} Memory;

/* Where the middle of an answer's pixel lies, as bilinear interpolation has it. */
static inline Place place(int64_t at, int64_t from, int64_t to) {
    if (from == to) return (Place){(int32_t)at, 0, 0};
    float scale = (float)from / (float)to;
    float position = scale * ((float)at + 0.5f) - 0.5f;
    position = position < 0 ? 0 : position;
    int64_t low = (int64_t)position;
    low = low > from - 1 ? from - 1 : low;
    float part = position - (float)low;
    int inside = low < from - 1 && part > 0;
    return (Place){(int32_t)low, inside, inside ? part : 0};
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

static inline floats choose(ints which, floats a, floats b) {
    return (floats)((which & (ints)a) | (~which & (ints)b));
}

static inline int any(ints which) {
    int32_t all = 0;
    for (int l = 0; l < LANES; l++) all |= which[l];
    return all != 0;
}

#define HALVES(distance, low, high)                      \
    for (int i = 0; i < LANES; i++) {                    \
        if (i & (distance)) continue;                    \
        floats a = row[i], b = row[i + (distance)];      \
        row[i] = __builtin_shuffle(a, b, low);           \
        row[i + (distance)] = __builtin_shuffle(a, b, high); \
    }

/* Turn the rows of sixteen vectors into columns, by exchanging quarters of ever smaller squares. */
static inline void transpose(floats *row) {
    const ints low8 = {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23};
    const ints low4 = {0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27};
    const ints low2 = {0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29};
    const ints low1 = {0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30};
    HALVES(8, low8, low8 + 8)
    HALVES(4, low4, low4 + 4)
    HALVES(2, low2, low2 + 2)
    HALVES(1, low1, low1 + 1)
}

/* Copy sixteen pixels of at least as many leaves that lie beside each other. */
static void copy_turned(const logit_t *from, int64_t stride, int64_t leaves, float *to,
                        int64_t padded) {
    floats block[LANES];
    for (int64_t f = 0; f < leaves; f += LANES) {
        int64_t first = f + LANES > leaves ? leaves - LANES : f; /* the last ones overlap */
        for (int l = 0; l < LANES; l++) block[l] = from_logits(from + l * stride + first);
        transpose(block);
        for (int l = 0; l < LANES; l++) memcpy(to + (first + l) * padded, block + l, sizeof *block);
    }
}

/* Return a copy of a row of logits, leaf by leaf; the last pixel is repeated. */
static const float *copied_row(const Picture *p, Memory *m, int64_t number) {
    int64_t slot = number & 1;
    float *into = m->copy[slot];
    if (m->number[slot] == number) return into;
    m->number[slot] = number;
    const logit_t *row = p->logits + number * p->row_stride;
    for (int64_t first = 0; first < m->padded; first += LANES) { /* few pixels fit into the cache */
        int64_t number = p->width - first < LANES ? p->width - first : LANES;
        if (p->beside && number == LANES) {
            const logit_t *from = row + first * p->column_stride;
            copy_turned(from, p->column_stride, p->leaves, into + first, m->padded);
            continue;
        }
        for (int64_t f = 0; f < p->leaves; f++) {
            const logit_t *from = row + p->leaf[f] * p->leaf_stride + first * p->column_stride;
            float *to = into + f * m->padded + first;
            for (int64_t l = 0; l < LANES; l++)
                to[l] = l < number ? from_logit(from[l * p->column_stride]) : to[number - 1];
        }
    }
    return into;
}

/* Return the logits of a row of the answer, scaled down the columns but not yet along the row. */
static const float *row_at(const Picture *p, Memory *m, int64_t at) {
    Place y = place(at, p->height, p->full_height);
    const float *low = copied_row(p, m, y.low);
    if (!y.step) return low;
    const float *high = copied_row(p, m, y.low + 1);
    for (int64_t i = 0; i < p->leaves * m->padded; i++)
        m->row[i] = low[i] + y.part * (high[i] - low[i]);
    return m->row;
}

/* Take the logits of sixteen pixels of the answer from its row. */
static inline void load(const Picture *p, const Memory *m, const float *row, int64_t first) {
    const Place *column = m->column + first;
    ints low, next;
    floats part;
    for (int l = 0; l < LANES; l++) {
        low[l] = column[l].low, next[l] = column[l].low + column[l].step;
        part[l] = column[l].part;
    }
    int32_t begin = low[0], near = next[LANES - 1] - begin < 2 * LANES;
    for (int64_t f = 0; f < p->leaves; f++, row += m->padded) {
        floats a, b;
        memcpy(&a, row + begin, sizeof a);
        if (p->width != p->full_width && near) { /* all in two vectors */
            memcpy(&b, row + begin + LANES, sizeof b);
            floats value = __builtin_shuffle(a, b, low - begin);
            a = value + part * (__builtin_shuffle(a, b, next - begin) - value);
        } else if (p->width != p->full_width) {
            for (int l = 0; l < LANES; l++) a[l] = row[low[l]], b[l] = row[next[l]];
            a += part * (b - a);
        }
        m->value[f] = a;
    }
}

/* Return the first of the last depth's groups, the units, with the largest allowed value. */
static inline ints largest(const Picture *p, const floats *value) {
    int64_t first = p->start[p->depths - 1];
    floats top = (floats){0} - 1.0f;
    ints chosen = {0};
    for (int64_t n = first; n < p->start[p->depths]; n++) {
        if (!p->allowed[n]) continue;
        ints better = ~(value[n] <= top); /* also where it is no number */
        top = choose(better, value[n], top);
        chosen = (better & (int32_t)(n - first)) | (~better & chosen);
    }
    return chosen;
}

/* Go down the tree from group to group: of those below the last one, the most probable. */
static inline ints down_the_tree(const Picture *p, const floats *sum) {
    ints last = {0}, chosen = {0};
    for (int64_t d = 0; d < p->depths; d++, last = chosen) {
        floats top = (floats){0} - 1.0f;
        for (int32_t n = p->start[d]; n < p->start[d + 1]; n++) {
            if (!p->allowed[n]) continue;
            ints better = ~(sum[n] <= top);
            if (d) better &= last == p->parent[n];
            top = choose(better, sum[n], top);
            chosen = (better & n) | (~better & chosen);
        }
    }
    return chosen - p->start[p->depths - 1];
}

/* Decide by the probabilities of all groups, given the logits and the largest of each pixel. */
static inline ints weigh(const Picture *p, Memory *m, floats top) {
    int64_t units = p->start[p->depths - 1];
    memset(m->sum, 0, sizeof(floats) * (size_t)p->start[p->depths]);
    for (int64_t f = 0; f < p->leaves; f++)
        m->sum[units + p->unit[f]] += exponential(m->value[f] - top);
    if (p->how == LEAVES) return largest(p, m->sum);
    floats total = {0};
    for (int64_t n = p->start[p->depths] - 1; n >= p->start[1]; n--) {
        total += m->sum[n];
        if (n > p->start[1] && p->parent[n - 1] == p->parent[n]) continue;
        m->sum[p->parent[n]] += total; /* seldom: to add to what was just stored takes long */
        total = (floats){0};
    }
    if (p->how == TREE) return down_the_tree(p, m->sum);
    for (int64_t n = 0; n < p->start[p->depths]; n++) {
        m->sum[n] *= p->weight[n];
        if (n >= p->start[1]) m->sum[n] += m->sum[p->parent[n]];
    }
    return largest(p, m->sum);
}

/* Decide for sixteen pixels whose logits are loaded. */
static inline ints decide(const Picture *p, Memory *m) {
    const uint8_t *allowed = p->allowed + p->start[p->depths - 1];
    floats top = m->value[0], second = (floats){0} - 3e38f;
    ints leaf = {0};
    for (int32_t f = 1; f < p->leaves; f++) {
        ints better = m->value[f] > top;
        floats lower = choose(better, top, m->value[f]);
        second = choose(lower > second, lower, second);
        top = choose(better, m->value[f], top);
        leaf = (better & f) | (~better & leaf);
    }
    ints unit;
    int32_t forbidden = 0;
    for (int l = 0; l < LANES; l++) {
        unit[l] = p->unit[leaf[l]];
        forbidden |= !allowed[unit[l]];
    }
    if (!forbidden && (p->how == LEAVES && p->single)) return unit;
    if (!forbidden && !any(~(top - second > p->lead))) return unit;
    return weigh(p, m, top);
}

/* Have memory for the rows. */
static char *start(const Picture *p, Memory *m) {
    m->padded = (p->width + LANES - 1) / LANES * LANES + 2 * LANES;
    int64_t row = p->leaves * m->padded, columns = p->full_width + LANES, groups = p->start[p->depths];
    size_t floats_size = sizeof(floats) * (size_t)(p->leaves + groups);
    size_t size = floats_size + sizeof(float) * (size_t)(3 * row) + sizeof(Place) * (size_t)columns;
    char *memory = NULL;
    if (posix_memalign((void **)&memory, sizeof(floats), size)) return NULL;
    m->value = (floats *)memory, m->sum = m->value + p->leaves;
    m->copy[0] = (float *)(memory + floats_size), m->copy[1] = m->copy[0] + row;
    m->row = m->copy[1] + row;
    m->column = (Place *)(m->row + row);
    m->number[0] = m->number[1] = -1;
    for (int64_t x = 0; x < columns; x++)
        m->column[x] = place(x < p->full_width ? x : p->full_width - 1, p->width, p->full_width);
    return memory;
}

/* Decide the answer's rows first, ..., last - 1. Returns 0; 1 if there is no memory. */
int decide_pixels(const Picture *p, int64_t first, int64_t last) {
    Memory m;
    char *memory = start(p, &m);
    if (!memory) return 1;
    for (int64_t at = first; at < last; at++) {
        const float *row = row_at(p, &m, at);
        int32_t *answer = p->answer + at * p->full_width;
        for (int64_t x = 0; x < p->full_width; x += LANES) {
            int64_t number = p->full_width - x < LANES ? p->full_width - x : LANES;
            load(p, &m, row, x);
            ints unit = decide(p, &m);
            memcpy(answer + x, &unit, sizeof(int32_t) * (size_t)number);
        }
    }
    free(memory);
    return 0;
}
