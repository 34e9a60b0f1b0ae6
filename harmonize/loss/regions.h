/* The region loss of a picture, from the sums of each leaf's probability over the pixels of each
   code; it and its derivative are functions of these few numbers. See `region.py`.

   Letters: K leaves, M codes, R groups, of all depths; D depths. Groups are ranges of leaves. */

#include "chunks.h"

#define FLUSH 8192 /* pixels whose probabilities are added up in float before they go to double */

typedef struct {
    int64_t codes, groups;    /* M, R */
    const int32_t *group;     /* R x 2: the first leaf of each group, and the one after its last */
    const int32_t *depth;     /* R: 0, ... */
    const uint8_t *inside, *outside, *asked; /* M x R: see `RegionTables` */
    const float *weight;      /* D */
    double false_positive, false_negative, scale;
} Region;

/* The sums of one picture, and the derivative of its loss by them. */
typedef struct {
    float *sums;    /* M x K x LANES: what has not gone to `found` yet */
    double *found;  /* M x K */
    double *pixels; /* M: of each code */
    float *slope;   /* M x K */
    double *work;   /* 6 x R and 2 x (K + 1) */
    int64_t since;  /* pixels since `sums` were empty */
} RegionSums;

static void free_region(RegionSums *s) {
    free(s->sums), free(s->found), free(s->pixels), free(s->slope), free(s->work);
}

static int get_region(RegionSums *s, const Batch *b, const Region *r) {
    size_t cells = (size_t)(r->codes * b->leaves);
    s->sums = calloc(cells * LANES, sizeof *s->sums);
    s->found = calloc(cells, sizeof *s->found);
    s->pixels = calloc((size_t)r->codes, sizeof *s->pixels);
    s->slope = calloc(cells, sizeof *s->slope);
    s->work = calloc((size_t)(6 * r->groups + 2 * (b->leaves + 1)), sizeof *s->work);
    s->since = 0;
    if (s->sums && s->found && s->pixels && s->slope && s->work) return 1;
    free_region(s);
    return 0;
}

static void clear_region(RegionSums *s, const Batch *b, const Region *r) {
    memset(s->found, 0, (size_t)(r->codes * b->leaves) * sizeof *s->found);
    memset(s->pixels, 0, (size_t)r->codes * sizeof *s->pixels);
}

static void flush_region(RegionSums *s, const Batch *b, const Region *r) {
    for (int64_t code = 0; code < r->codes; code++)
        for (int64_t k = code * b->leaves; s->pixels[code] && k < (code + 1) * b->leaves; k++) {
            s->found[k] += sum_of(load(s->sums + k * LANES));
            store(s->sums + k * LANES, splat(0));
        }
    s->since = 0;
}

/* Add the probabilities of LANES pixels, of which the first `count` are there. */
static void add_shares(RegionSums *s, const Batch *b, const Runs *codes, int count, const float *e,
                       int64_t wide, floats inverse) {
    int whole = codes->num == 1 && count == LANES;
    for (int run = 0; run < codes->num; run++) {
        ints where = codes->where[run] & (lanes() < count);
        float *sums = s->sums + codes->row[run] * b->leaves * LANES;
        int here = 0;
        for (int p = 0; p < LANES; p++) here -= where[p];
        s->pixels[codes->row[run]] += here;
        for (int64_t k = 0; whole && k < b->leaves; k++)
            store(sums + k * LANES, load(sums + k * LANES) + load(e + k * wide) * inverse);
        for (int64_t k = 0; !whole && k < b->leaves; k++) {
            floats share = choose(where, load(e + k * wide) * inverse, splat(0));
            store(sums + k * LANES, load(sums + k * LANES) + share);
        }
    }
    s->since += count;
}

/* Work out the loss of a picture, which is returned, and its derivative: `region_slope`. */
static double slope_of_region(RegionSums *s, const Batch *b, const Region *r) {
    double *true = s->work, *much = true + r->groups, *labelled = much + r->groups;
    double *present = labelled + r->groups, *up = present + r->groups, *down = up + r->groups;
    double *sum = down + r->groups, number[DEPTHS] = {0}, loss = 0;
    memset(true, 0, (size_t)(6 * r->groups) * sizeof *true);
    for (int64_t code = 0; code < r->codes; code++) {
        const uint8_t *inside = r->inside + code * r->groups, *asked = r->asked + code * r->groups;
        const uint8_t *outside = r->outside + code * r->groups;
        if (!s->pixels[code]) continue;
        sum[0] = 0;
        for (int64_t k = 0; k < b->leaves; k++)
            sum[k + 1] = sum[k] + s->found[code * b->leaves + k];
        for (int64_t g = 0; g < r->groups; g++) {
            double share = sum[r->group[2 * g + 1]] - sum[r->group[2 * g]];
            if (inside[g]) true[g] += share, labelled[g] += s->pixels[code];
            if (outside[g]) much[g] += share;
            if (asked[g]) present[g] = 1;
        }
    }
    for (int64_t g = 0; g < r->groups; g++) number[r->depth[g]] += present[g];
    for (int64_t g = 0; g < r->groups; g++) {
        double missed = labelled[g] - true[g], weight = r->weight[r->depth[g]];
        double all = true[g] + r->false_positive * much[g] + r->false_negative * missed;
        if (!present[g]) continue;
        all = all < 1e-12 ? 1e-12 : all;
        weight /= number[r->depth[g]];
        loss += weight * (1 - true[g] / all);
        weight *= r->scale / all / all;
        up[g] = -weight * (all - true[g] * (1 - r->false_negative));
        down[g] = weight * r->false_positive * true[g];
    }
    for (int64_t code = 0; code < r->codes; code++) {
        const uint8_t *inside = r->inside + code * r->groups;
        const uint8_t *outside = r->outside + code * r->groups;
        double change = 0;
        if (!s->pixels[code]) continue;
        memset(sum, 0, (size_t)(b->leaves + 1) * sizeof *sum);
        for (int64_t g = 0; g < r->groups; g++) {
            double its = inside[g] ? up[g] : outside[g] ? down[g] : 0;
            sum[r->group[2 * g]] += its;
            sum[r->group[2 * g + 1]] -= its;
        }
        for (int64_t k = 0; k < b->leaves; k++)
            s->slope[code * b->leaves + k] = (float)(change += sum[k]);
    }
    return loss;
}

/* The gradient of a region loss: r(k), the derivative by the probability p(k) of a leaf, adds
   p(k) (r(k) - the mean of r under p). Of pixels of one code, r is returned; of others the factors
   of the exponentials are added to `by`, and null is returned. The mean goes into `factor`. */
static const float *add_region(const RegionSums *s, const Batch *b, const Runs *codes,
                               const float *e, int64_t wide, floats inverse, int one, float *by,
                               floats *factor) {
    const float *first = s->slope + codes->row[0] * b->leaves;
    floats mean = splat(0), other = splat(0);
    for (int64_t k = 0; one && k < b->leaves; k++) {
        floats its = load(e + k * wide) * first[k];
        if (k & 1) other += its;
        else mean += its;
    }
    for (int64_t k = 0; !one && k < b->leaves; k++) {
        floats slope = splat(first[k]);
        for (int run = 1; run < codes->num; run++) {
            float its = s->slope[codes->row[run] * b->leaves + k];
            slope = choose(codes->where[run], splat(its), slope);
        }
        mean += load(e + k * wide) * slope;
        store(by + k * LANES, load(by + k * LANES) + slope * inverse);
    }
    mean += other;
    for (int d = 0; d <= DEPTHS; d++) factor[d] -= mean * inverse * inverse;
    return one ? first : NULL;
}
