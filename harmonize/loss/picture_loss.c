/* The hierarchical loss where a pixel's gradient depends on its whole picture: of the hardest
   pixels, and with a region loss. Two passes over each picture; see `native_loss.c` for the loss.

   What the second pass needs is kept, so that nothing is worked out twice: of each pixel a few
   numbers, and with a region loss the exponentials of one picture for each thread. */

#include "hardest.h"
#include "regions.h"

#define AHEAD 2 /* vectors of pixels that are fetched before their turn */

typedef struct {
    Batch batch;
    const int32_t *code;      /* B x P: the row of each pixel, with one scale for all */
    const Region *region;     /* or null */
    float hardest;            /* the share of the labelled pixels that are learned from */
    const uint8_t *labelled;  /* of a code */
    int32_t nothing;          /* the code of ignore */
    int32_t *learned;         /* B x P: the codes of the pixels that are learned from, or null: all */
    double *total;            /* B: the weighted and scaled loss, added to */
    double *terms;            /* B x D: the loss of each resolved depth, added to */
    double *region_loss;      /* B */
    int64_t pictures;
    int64_t pieces;
} Job;

/* What the second pass needs of a picture's pixels; P is rounded up to whole vectors. */
typedef struct {
    logit_t *e;     /* P / LANES x K x LANES: exponentials, or null */
    float *one;     /* K x LANES: those of one vector of pixels */
    float *factor;  /* (D + 1) x P */
    float *inverse; /* P: one over the sum of these exponentials */
    float *term;    /* D x P */
    float *loss;    /* P: weighted, not scaled */
    uint8_t *rare;  /* P: whether it needs `exact_pixel` */
    uint8_t *kept;  /* P: whether it is learned from */
    int64_t pixels;
} Pixels;

static void free_pixels(Pixels *x) {
    free(x->e), free(x->one), free(x->factor), free(x->inverse), free(x->term), free(x->loss), free(x->rare), free(x->kept);
}

static int get_pixels(Pixels *x, const Job *j) {
    size_t pixels = (size_t)((j->batch.pixels + LANES - 1) / LANES * LANES);
    x->pixels = (int64_t)pixels;
    int stays = j->region && j->batch.slope;
    size_t bytes = pixels * (size_t)j->batch.leaves * sizeof *x->e;
    x->e = stays ? calloc(bytes, 1) : NULL;
    if (x->e) use_large_pages((char *)x->e, (int64_t)bytes);
    x->one = malloc((size_t)(j->batch.leaves * LANES) * sizeof *x->one);
    x->factor = malloc(pixels * (DEPTHS + 1) * sizeof *x->factor);
    x->inverse = malloc(pixels * sizeof *x->inverse);
    x->term = malloc(pixels * DEPTHS * sizeof *x->term);
    x->loss = malloc(pixels * sizeof *x->loss);
    x->rare = malloc(pixels);
    x->kept = malloc(pixels);
    if ((x->e || !stays) && x->one && x->factor && x->inverse && x->term && x->loss && x->rare && x->kept) return 1;
    free_pixels(x);
    return 0;
}

/* The first pass over LANES pixels: exponentials stay, or become the gradient of the log loss. */
static void look(const Job *j, const Scratch *s, Pixels *x, RegionSums *sums, int64_t picture,
                 int64_t pixel, int64_t at, int count) {
    const Batch *b = &j->batch;
    int64_t place = picture * b->pixels + pixel;
    double *terms = j->terms + picture * DEPTHS, *total = j->total + picture;
    Runs runs, codes;
    Outcome out;
    find_runs(&runs, b->row + place, count);
    find_log_loss(b, s, &runs, count, at, &out);
    for (int p = 0; p < count; p++) x->rare[pixel + p] = !out.kept[p];
    floats scale = scale_of(b, &runs), scaled = out.loss * scale;
    for (int d = 0; b->scale && d <= DEPTHS; d++) out.factor[d] *= scale;
    if (j->learned) {
        store(x->loss + pixel, out.loss);
        for (int d = 0; d < DEPTHS; d++) store(x->term + d * x->pixels + pixel, out.term[d]);
    } else {
        for (int d = 0; d < DEPTHS; d++) terms[d] += sum_of(out.term[d]);
        for (int p = 0; p < LANES; p++) *total += scaled[p];
    }
    if (j->region) {
        find_runs(&codes, j->code + place, count);
        add_shares(sums, b, &codes, count, s->e + at, s->wide, out.inverse);
        for (int d = 0; d <= DEPTHS; d++) store(x->factor + d * x->pixels + pixel, out.factor[d]);
    } else if (b->slope) {
        find_gradient(b, s, &runs, at, out.factor);
    }
}

/* A pixel of the first pass by the definition. */
static void look_exactly(const Job *j, Pixels *x, int64_t picture, int64_t pixel) {
    const Batch *b = &j->batch;
    const int64_t *of = b->logit_strides, *to = b->slope_strides;
    double terms[DEPTHS] = {0}, *its_terms = j->terms + picture * DEPTHS;
    int64_t row = b->row[picture * b->pixels + pixel];
    logit_t *slope = NULL;
    if (b->slope && !j->region) slope = b->slope + picture * to[0] + pixel * to[2];
    double loss = exact_pixel(b, row, b->logits + picture * of[0] + pixel * of[2], slope, NULL,
                              terms);
    if (j->learned) x->loss[pixel] = (float)loss;
    else j->total[picture] += loss * (b->scale ? b->scale[row] : 1);
    for (int d = 0; d < DEPTHS; d++) {
        if (j->learned) x->term[d * x->pixels + pixel] = (float)terms[d];
        else its_terms[d] += terms[d];
    }
}

static void first_pass(const Job *j, const Scratch *s, Pixels *x, RegionSums *sums,
                       int64_t picture) {
    const Batch *b = &j->batch;
    const int64_t *of = b->logit_strides, *to = b->slope_strides;
    for (int64_t start = 0, count; start < b->pixels; start += count) {
        count = b->pixels - start < s->wide ? b->pixels - start : s->wide;
        const logit_t *logits = b->logits + picture * of[0] + start * of[2];
        read_exponentials(b, logits, count, s->e, s->x, s->wide,
                          x->e ? x->e + start * b->leaves : NULL, x->inverse + start);
        for (int64_t p = 0; p < count; p += LANES) {
            int here = count - p < LANES ? (int)(count - p) : LANES;
            look(j, s, x, sums, picture, start + p, p, here);
        }
        if (j->region && sums->since > FLUSH) flush_region(sums, b, j->region);
        if (b->slope && !j->region)
            write_slope(b, s->e, s->wide, count, b->slope + picture * to[0] + start * to[2]);
        for (int64_t p = start; p < start + count; p++)
            if (x->rare[p]) look_exactly(j, x, picture, p);
    }
    if (j->region) flush_region(sums, b, j->region);
}

/* Choose the hardest pixels, and add up their losses. */
static void choose_pixels(const Job *j, Pixels *x, int64_t picture, uint32_t *keys) {
    const Batch *b = &j->batch;
    int64_t place = picture * b->pixels, labelled = 0;
    for (int64_t p = 0; p < b->pixels; p++) {
        int counts = j->labelled[j->code[place + p]];
        keys[p] = counts ? key_of(x->loss[p]) : 0;
        labelled += counts;
    }
    keep_largest(keys, b->pixels, (int64_t)ceilf((float)labelled * j->hardest), x->kept);
    for (int64_t p = 0; p < b->pixels; p++) {
        j->learned[place + p] = x->kept[p] ? j->code[place + p] : j->nothing;
        if (!x->kept[p]) continue;
        j->total[picture] += x->loss[p] * (b->scale ? b->scale[b->row[place + p]] : 1);
        for (int d = 0; d < DEPTHS; d++)
            j->terms[picture * DEPTHS + d] += x->term[d * x->pixels + p];
    }
}

/* Remove the gradient of the pixels that are not learned from. */
static void clear_others(const Job *j, const Pixels *x, int64_t picture) {
    const Batch *b = &j->batch;
    int64_t leaf = b->slope_strides[1], pixel = b->slope_strides[2];
    logit_t *slope = b->slope + picture * b->slope_strides[0];
    if (leaf == 1) {
        for (int64_t p = 0; p < b->pixels; p++)
            if (!x->kept[p]) memset(slope + p * pixel, 0, (size_t)b->leaves * sizeof *slope);
    } else if (pixel == 1) {
        for (int64_t k = 0; k < b->leaves; k++)
            for (int64_t p = 0; p < b->pixels; p++)
                slope[k * leaf + p] = x->kept[p] ? slope[k * leaf + p] : 0;
    } else {
        for (int64_t p = 0; p < b->pixels; p++)
            for (int64_t k = 0; !x->kept[p] && k < b->leaves; k++)
                slope[p * pixel + k * leaf] = 0;
    }
}

/* The second pass over LANES pixels of a region loss: exponentials become the gradient. */
static void add_up(const Job *j, const Scratch *s, const Pixels *x, const RegionSums *sums,
                   int64_t place, int64_t pixel, int64_t at, int count) {
    const Batch *b = &j->batch;
    float *e = x->one;
    Runs runs, codes;
    floats factor[DEPTHS + 1], none = splat(0);
    ints kept = lanes() < count;
    find_runs(&runs, b->row + place, count);
    find_runs(&codes, j->code + place, count);
    for (int p = 0; j->learned && p < count; p++) kept[p] = -x->kept[pixel + p];
    for (int d = 0; d <= DEPTHS; d++)
        factor[d] = choose(kept, load(x->factor + d * x->pixels + pixel), none);
    const logit_t *from = x->e + pixel * b->leaves, *next = from + AHEAD * b->leaves * LANES;
    for (int64_t k = 0; k < b->leaves; k++) {
        __builtin_prefetch(next + k * LANES);
        store(e + k * LANES, unpack(from + k * LANES));
    }
    int one = runs.num == 1 && codes.num == 1 && b->smoothing == 0;
    if (!one) memset(s->by, 0, (size_t)(2 * b->leaves * LANES) * sizeof *s->by);
    for (int run = 0; b->smoothing != 0 && run < runs.num; run++) {
        floats pulled = none;
        ints where = runs.where[run] & kept, still = where;
        spread_out(b, runs.row[run], where, e, NULL, LANES, none, s->by, &pulled, &still);
    }
    floats inverse = load(x->inverse + pixel);
    float *out = s->e + at, *added = s->by + b->leaves * LANES;
    const float *slopes = add_region(sums, b, &codes, e, LANES, inverse, one, s->by, factor);
    if (one) to_gradient(b, &runs, e, LANES, out, s->wide, factor, NULL, NULL, slopes, inverse);
    else to_gradient(b, &runs, e, LANES, out, s->wide, factor, s->by, added, NULL, inverse);
}

static void second_pass(const Job *j, const Scratch *s, const Pixels *x, const RegionSums *sums,
                        int64_t picture) {
    const Batch *b = &j->batch;
    const int64_t *of = b->logit_strides, *to = b->slope_strides;
    int64_t place = picture * b->pixels;
    for (int64_t start = 0, count; start < b->pixels; start += count) {
        count = b->pixels - start < s->wide ? b->pixels - start : s->wide;
        logit_t *slope = b->slope + picture * to[0] + start * to[2];
        for (int64_t p = 0; p < count; p += LANES) {
            int here = count - p < LANES ? (int)(count - p) : LANES;
            add_up(j, s, x, sums, place + start + p, start + p, p, here);
        }
        write_slope(b, s->e, s->wide, count, slope);
        for (int64_t p = start; p < start + count; p++) {
            double terms[DEPTHS] = {0};
            int64_t code = j->code[place + p];
            int64_t row = j->learned && !x->kept[p] ? j->nothing : b->row[place + p];
            if (x->rare[p])
                exact_pixel(b, row, b->logits + picture * of[0] + p * of[2],
                            b->slope + picture * to[0] + p * to[2],
                            sums->slope + code * b->leaves, terms);
        }
    }
}

/* Work off one piece of the pictures. Returns 0, or 1 if there is no memory. */
int picture_loss(const Job *j, int64_t piece) {
    const Batch *b = &j->batch;
    int64_t first = j->pictures * piece / j->pieces, last = j->pictures * (piece + 1) / j->pieces;
    Scratch s;
    Pixels x;
    RegionSums sums = {0};
    uint32_t *keys = malloc((size_t)(b->pixels + 1) * sizeof *keys);
    if (!keys) return 1;
    if (!get_scratch(&s, b)) return free(keys), 1;
    if (!get_pixels(&x, j)) return free(keys), free_scratch(&s), 1;
    if (j->region && !get_region(&sums, b, j->region))
        return free(keys), free_scratch(&s), free_pixels(&x), 1;
    for (int64_t picture = first; picture < last; picture++) {
        if (j->region) clear_region(&sums, b, j->region);
        first_pass(j, &s, &x, &sums, picture);
        if (j->learned) choose_pixels(j, &x, picture, keys);
        if (j->region) j->region_loss[picture] = slope_of_region(&sums, b, j->region);
        if (b->slope && j->region) second_pass(j, &s, &x, &sums, picture);
        else if (b->slope && j->learned) clear_others(j, &x, picture);
    }
    free(keys), free_scratch(&s), free_pixels(&x), free_region(&sums);
    return 0;
}
