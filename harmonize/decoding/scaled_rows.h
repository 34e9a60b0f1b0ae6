/* Rows of logits, scaled along the row to the width of the answer, a tile of its columns at a time. */

#include "lanes.h"

/* Where a column or row of the answer lies between the logits: `part` of the way from pixel `low`
   to pixel `low + step`. */
typedef struct {
    int32_t low, step;
    float part;
} Place;

/* Where LANES columns lie, from the first pixel of logits that any of them needs. */
typedef struct {
    int32_t begin, near; /* near: all of them need two vectors from there on */
    ints low, next;
    floats part;
} Columns;

typedef struct {
    const logit_t *logits;
    int64_t all_leaves, height, width; /* K, h, w */
    int64_t leaf_stride, row_stride, column_stride;
    int64_t full_height, full_width; /* H, W */
    int64_t leaves;                  /* F */
    const int32_t *leaf;             /* F: the logit of each */
    const int32_t *slot;             /* K: which of the F is each, or -1 */
} Logits;

/* Two rows of logits, at the columns of the answer from `first` on. */
typedef struct {
    int64_t wide, first, count; /* columns that there is room for, and those there are */
    int64_t begin, end;         /* the pixels of the logits that they need */
    int64_t number[2];          /* of the rows */
    int64_t padded;
    float *row[2];              /* of each: wide / LANES times F vectors */
    float *turned;              /* F x padded: a row before it is scaled */
    Columns *columns;           /* wide / LANES */
} Tile;

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

/* Copy LANES pixels whose leaves lie beside each other, leaf by leaf, `apart` floats from one to
   the next; those of the pixel after them may be read too. */
static void copy_turned(const Logits *l, const logit_t *from, float *to, int64_t apart) {
    const int64_t each = LANES * sizeof(int32_t) / sizeof(logit_t);
    for (int64_t first = 0; first < l->all_leaves; first += each) {
        ints block[LANES];
        for (int p = 0; p < LANES; p++)
            memcpy(block + p, from + p * l->column_stride + first, sizeof *block);
        transpose(block);
        for (int64_t i = 0; i < each && first + i < l->all_leaves; i++) {
            int64_t slot = l->slot[first + i];
            if (slot < 0) continue;
#if BFLOAT16 /* a vector has two leaves */
            ints two = block[i / 2];
            store(to + slot * apart, (floats)(i % 2 ? two & (int32_t)0xffff0000 : two << 16));
#else
            store(to + slot * apart, (floats)block[i]);
#endif
        }
    }
}

/* Have memory come near that is needed soon. */
static inline void fetch(const logit_t *from, int64_t count) {
    const int64_t line = 64 / sizeof(logit_t);
    for (int64_t i = 0; i < count; i += line) __builtin_prefetch(from + i);
}

/* Copy the pixels of a row as vectors; the last pixel is repeated up to a full one. Leaves are
   `apart` floats from each other, vectors of one `step`. */
static void copy_row(const Logits *l, int64_t number, int64_t begin, int64_t end, float *into,
                     int64_t apart, int64_t step) {
    const logit_t *row = l->logits + number * l->row_stride;
    const logit_t *past = l->logits + (l->height - 1) * l->row_stride +
                          (l->width - 1) * l->column_stride + l->all_leaves;
    for (int64_t first = begin; first < end; first += LANES) {
        int64_t count = end - first < LANES ? end - first : LANES;
        const logit_t *from = row + first * l->column_stride;
        float *to = into + (first - begin) / LANES * step;
        const logit_t *last = from + (LANES - 1) * l->column_stride + l->all_leaves + 2 * LANES;
        if (l->leaf_stride == 1 && first + LANES <= l->width && last <= past) {
            fetch(first + LANES < end ? from + LANES * l->column_stride
                                      : row + l->row_stride + begin * l->column_stride,
                  LANES * l->column_stride);
            copy_turned(l, from, to, apart);
            continue;
        }
        for (int64_t f = 0; f < l->leaves; f++, to += apart) {
            const logit_t *its = from + l->leaf[f] * l->leaf_stride;
            if (l->column_stride == 1 && count == LANES) {
                store(to, from_logits(its));
                continue;
            }
            for (int64_t p = 0; p < LANES; p++)
                to[p] = from_logit(its[(p < count ? p : count - 1) * l->column_stride]);
        }
    }
}

/* Return a row of the logits at the columns of a tile. */
static const float *tile_row(const Logits *l, Tile *t, int64_t number) {
    float *into = t->row[number & 1];
    if (t->number[number & 1] == number) return into;
    t->number[number & 1] = number;
    if (l->width == l->full_width) {
        copy_row(l, number, t->begin, t->end, into, LANES, l->leaves * LANES);
        return into;
    }
    copy_row(l, number, t->begin, t->end, t->turned, t->padded, LANES);
    float *to = into;
    for (int64_t x = 0; x < t->count; x += LANES) {
        Columns c = t->columns[x / LANES];
        const float *from = t->turned + c.begin;
        for (int64_t f = 0; f < l->leaves; f++, from += t->padded, to += LANES) {
            floats low, next;
            if (c.near) {
                floats a = load(from), b = load(from + LANES);
                low = pick(a, b, c.low), next = pick(a, b, c.next);
            } else {
                for (int p = 0; p < LANES; p++) low[p] = from[c.low[p]], next[p] = from[c.next[p]];
            }
            store(to, low + c.part * (next - low));
        }
    }
    return into;
}

/* Go to the columns from `first` on. */
static void move_tile(const Logits *l, Tile *t, int64_t first) {
    int64_t left = l->full_width - first;
    t->first = first, t->count = left < t->wide ? left : t->wide;
    Place last = place(first + t->count - 1, l->width, l->full_width);
    t->begin = place(first, l->width, l->full_width).low, t->end = last.low + last.step + 1;
    t->number[0] = t->number[1] = -1;
    for (int64_t x = 0; x < t->count; x += LANES) {
        Columns *c = t->columns + x / LANES;
        for (int p = 0; p < LANES; p++) {
            int64_t at = x + p < t->count ? x + p : t->count - 1;
            Place its = place(first + at, l->width, l->full_width);
            if (p == 0) c->begin = its.low - (int32_t)t->begin;
            c->low[p] = its.low - (int32_t)t->begin - c->begin;
            c->next[p] = c->low[p] + its.step;
            c->part[p] = its.part;
        }
        c->near = c->next[LANES - 1] < 2 * LANES;
    }
}

/* Return how many floats the rows of a tile take. */
static int64_t tile_size(const Logits *l, Tile *t, int64_t wide) {
    t->wide = wide;
    int64_t pixels = (int64_t)((float)l->width / (float)l->full_width * (float)wide) + 4;
    int64_t vectors = ((pixels + LANES - 1) / LANES + 2) | 1; /* odd: not all in few cache sets */
    t->padded = vectors * LANES;
    return l->leaves * (2 * t->wide + t->padded);
}
