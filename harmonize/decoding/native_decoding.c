/* Decides on a CPU what each pixel of a picture is answered as: scales the logits to the size of the
   answer and chooses among the units of a decoding tree.

   Letters: K leaves of the network, F of them in some unit, h x w pixels of the logits, H x W of the
   answer. Compiled with BFLOAT16 = 0 (float) or 1. */

#include "weighing.h"

#define CACHED 49152 /* logits of a row of a tile, two of which fit into a core's own cache */
#define WIDEST 512   /* columns of a tile */

typedef struct {
    Logits logits;
    Tree tree;
    int32_t *answer; /* H x W: units */
    int64_t parts;
} Picture;

static inline __attribute__((always_inline)) void decide_row(const Picture *p, const Tile *t,
                                                             Node *open, const Pixels *row,
                                                             int32_t *answer, const int between,
                                                             const int by_height) {
    floats less = {0};
    Pixels x = *row;
    int64_t step = p->logits.leaves * LANES;
    for (int64_t at = 0; at < t->count; at += LANES, x.low += step, x.high += step) {
        int64_t count = t->count - at < LANES ? t->count - at : LANES;
        ints unit = decide(&p->tree, open, &x, p->logits.leaves, &less, between, by_height);
        memcpy(answer + at, &unit, sizeof(int32_t) * (size_t)count);
    }
}

/* Decide one row of the answer, at the columns of a tile. */
static void decide_tile_row(const Picture *p, Tile *t, Node *open, int64_t at) {
    Place y = place(at, p->logits.height, p->logits.full_height);
    const float *low = tile_row(&p->logits, t, y.low);
    const float *high = y.step ? tile_row(&p->logits, t, y.low + 1) : low;
    Pixels row = {low, high, y.part};
    int32_t *answer = p->answer + at * p->logits.full_width + t->first;
    if (p->tree.by_height)
        y.step ? decide_row(p, t, open, &row, answer, 1, 1)
               : decide_row(p, t, open, &row, answer, 0, 1);
    else
        y.step ? decide_row(p, t, open, &row, answer, 1, 0)
               : decide_row(p, t, open, &row, answer, 0, 0);
}

/* Decide one part of the answer's rows. Returns 0, or 1 if there is no memory. */
int decide_pixels(const Picture *p, int64_t part) {
    const Logits *l = &p->logits;
    int64_t first = l->full_height * part / p->parts;
    int64_t last = l->full_height * (part + 1) / p->parts;
    Tile t;
    int64_t wide = CACHED / l->leaves / LANES * LANES;
    wide = wide < 2 * LANES ? 2 * LANES : wide > WIDEST ? WIDEST : wide;
    size_t rows = sizeof(float) * (size_t)tile_size(l, &t, wide);
    size_t columns = sizeof(Columns) * (size_t)(wide / LANES);
    size_t open = sizeof(Node) * (size_t)p->tree.levels;
    char *memory = NULL;
    if (posix_memalign((void **)&memory, sizeof(floats), columns + open + rows)) return 1;
    t.columns = (Columns *)memory;
    t.row[0] = (float *)(memory + columns + open), t.row[1] = t.row[0] + l->leaves * wide;
    t.turned = t.row[1] + l->leaves * wide;
    for (int64_t x = 0; x < l->full_width; x += wide) {
        move_tile(l, &t, x);
        for (int64_t at = first; at < last; at++)
            decide_tile_row(p, &t, (Node *)(memory + columns), at);
    }
    free(memory);
    return 0;
}
