/* The loss of a few pixels: what its tables say, and its value and gradient by the definition.

   Letters: K leaves, D depths, G groups of siblings, B pictures of P pixels, N rows of the tables
   (one per code, and the last for ignore), M of a region loss's. Compiled with DEPTHS = D. */

#include "vectors.h"

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
    float focal;              /* the power of the focal factor, or 0 */
    float smoothing;          /* the share of the siblings, or 0 */
    int64_t groups;           /* G */
    const int32_t *group;     /* G x 2: the first leaf of each group, and the one after its last */
    const int32_t *near;      /* N x G: the groups that are siblings of the row's sets, first */
    const int32_t *num_near;  /* N: how many those are */
    const float *spread;      /* N x G: what minus the logarithm of a group's probability counts */
    const float *scale;       /* N: of the loss in sums and gradient, not in `loss`; or null: 1 */
} Batch;

/* Neighbours of the same row among LANES pixels, of which the first `count` are there. */
typedef struct {
    int64_t row[LANES];
    ints where[LANES];
    int num;
} Runs;

static inline ints lanes(void) {
    ints lane;
    for (int p = 0; p < LANES; p++) lane[p] = p;
    return lane;
}

static inline void find_runs(Runs *runs, const int32_t *rows, int count) {
    int starts[LANES + 1];
    runs->num = 0;
    for (int p = 0; p < count; p++)
        if (p == 0 || rows[p] != rows[p - 1]) starts[runs->num++] = p;
    starts[runs->num] = LANES;
    for (int run = 0; run < runs->num; run++) {
        runs->row[run] = rows[starts[run]];
        runs->where[run] = (lanes() >= starts[run]) & (lanes() < starts[run + 1]);
    }
}

/* What a log loss of LANES pixels comes to. */
typedef struct {
    floats loss;               /* weighted, not scaled; 0 for pixels that need `exact_pixel` */
    floats term[DEPTHS];       /* of each resolved depth; likewise */
    floats factor[DEPTHS + 1]; /* of the exponential of a leaf with agreement d, in its gradient */
    floats inverse;            /* of the sum of the exponentials */
    ints kept;                 /* not the pixels that need `exact_pixel` */
} Outcome;

/* The focal factor of a term, and the derivative of their product by the term. */
static inline floats focal_factor(float power, floats term, floats *derivative) {
    floats small = term * (1.0f - term * (0.5f - term * 0.16666667f));
    floats other = choose(term < 0.01f, small, 1.0f - exponential(-term)); /* 1 - p */
    other = choose(other < TINY, splat(TINY), other);
    floats factor = power == 2 ? other * other : exponential(power * logarithm(other));
    *derivative = factor + power * term * (1.0f - other) * factor / other;
    return factor;
}

static inline floats scale_of(const Batch *b, const Runs *runs) {
    floats scale = splat(1);
    for (int run = 0; b->scale && run < runs->num; run++)
        scale = choose(runs->where[run], splat(b->scale[runs->row[run]]), scale);
    return scale;
}

/* The part of the loss that label smoothing spreads over siblings, for the pixels `where`; x are
   the logits that e are the exponentials of, or null if the loss is not wanted. By: K factors of
   the exponentials in the gradient, then K numbers added to it; added to, or null. */
static floats spread_out(const Batch *b, int64_t row, ints where, const float *e, const float *x,
                         int64_t wide, floats log_all, float *by, floats *pulled, ints *kept) {
    const int32_t *near = b->near + row * b->groups;
    const float *spread = b->spread + row * b->groups;
    floats loss = splat(0), scale = splat(b->scale ? b->scale[row] : 1);
    for (int i = 0; i < b->num_near[row]; i++) {
        int64_t first = b->group[2 * near[i]], end = b->group[2 * near[i] + 1];
        if (spread[near[i]] == 0) continue;
        floats share = choose(where, splat(spread[near[i]]), splat(0)), pull = share * scale;
        *pulled += share;
        if (end - first == 1) { /* its logarithm is its logit */
            float *added = by + (b->leaves + first) * LANES;
            if (x) loss += share * (log_all - load(x + first * wide));
            if (by) store(added, load(added) - pull);
            continue;
        }
        floats sum = splat(0);
        for (int64_t k = first; k < end; k++) sum += load(e + k * wide);
        *kept &= ~(where & (sum < TINY));
        sum = choose(where & ~(sum < TINY), sum, splat(1));
        if (x) loss += share * (log_all - logarithm(sum));
        if (by) pull /= sum;
        for (int64_t k = first; by && k < end; k++)
            store(by + k * LANES, load(by + k * LANES) - pull);
    }
    return loss;
}

/* The log loss of LANES pixels from their exponentials; the rest as for `spread_out`. */
static inline __attribute__((always_inline)) void log_loss(
    const Batch *b, const Runs *runs, int count, const float *e, const float *x, int64_t wide,
    const int smooth, float *by, Outcome *out) {
    floats sum[DEPTHS + 1], weight[DEPTHS + 1], resolved[DEPTHS + 1], pulled = splat(0);
    for (int d = 0; d <= DEPTHS; d++) sum[d] = weight[d] = resolved[d] = splat(0);
    for (int run = 0; run < runs->num; run++) {
        int64_t row = runs->row[run];
        const int32_t *order = b->order + row * b->leaves;
        const int32_t *until = b->until + row * (DEPTHS + 1);
        floats within = splat(0);
        for (int d = DEPTHS, i = 0; d >= 0; d--) {
            for (; i < until[d]; i++) within += load(e + order[i] * wide);
            sum[d] = choose(runs->where[run], within, sum[d]);
        }
        for (int d = 1; d <= DEPTHS; d++) {
            floats its = splat(b->weight[row * DEPTHS + d - 1]);
            floats whether = splat(b->resolved[row * DEPTHS + d - 1]);
            weight[d] = choose(runs->where[run], its, weight[d]);
            resolved[d] = choose(runs->where[run], whether, resolved[d]);
        }
    }
    ints kept = lanes() < count;
    for (int d = 1; d <= DEPTHS; d++) kept &= (resolved[d] == 0) | ~(sum[d] < TINY);
    floats log_all = logarithm(sum[0]), loss = splat(0), all = splat(0);
    for (int run = 0; smooth && run < runs->num; run++)
        loss += spread_out(b, runs->row[run], runs->where[run], e, x, wide, log_all, by, &pulled,
                           &kept);
    if (smooth) loss = choose(kept, loss, splat(0));
    out->factor[0] = splat(0);
    for (int d = 1; d <= DEPTHS; d++) {
        floats within = choose(resolved[d] != 0, sum[d], sum[0]);
        floats term = choose(kept, log_all - logarithm(within), splat(0));
        term = choose(resolved[d] != 0, term, splat(0));
        floats factor_of_term = splat(1), derivative = splat(1);
        if (b->focal != 0) factor_of_term = focal_factor(b->focal, term, &derivative);
        if (smooth) weight[d] *= 1 - b->smoothing;
        loss += weight[d] * factor_of_term * term;
        weight[d] *= derivative;
        all += weight[d];
        out->factor[d] = out->factor[d - 1] - weight[d] / within;
        out->term[d - 1] = term;
    }
    if (smooth) all += pulled;
    floats inverse = 1.0f / sum[0];
    for (int d = 0; d <= DEPTHS; d++) out->factor[d] += all * inverse;
    out->inverse = inverse;
    out->loss = loss;
    out->kept = kept;
}

/* Make exponentials e to the gradient; out: where, e itself if there is no `by`. By: K more factors of theirs, or null; added: K numbers added
   to the gradient, or null. Slopes: K numbers that times `inverse` are further factors if all pixels
   are of one row, or null. */
static inline __attribute__((always_inline)) void to_gradient(
    const Batch *b, const Runs *runs, const float *e, int64_t wide, float *out, int64_t out_wide,
    const floats *factor, const float *by, const float *added, const float *slopes,
    floats inverse) {
    for (int run = 0; run < runs->num; run++) {
        const int32_t *order = b->order + runs->row[run] * b->leaves;
        const int32_t *until = b->until + runs->row[run] * (DEPTHS + 1);
        ints where = runs->where[run];
        for (int d = DEPTHS, i = 0; d >= 0; d--) {
            floats its = choose(where, factor[d], splat(by ? 0 : 1));
            for (; i < until[d]; i++) {
                float *at = out + order[i] * out_wide;
                if (slopes) {
                    floats more = splat(slopes[order[i]]) * inverse;
                    store(at, load(e + order[i] * wide) * (factor[d] + more));
                    continue;
                }
                if (!by) {
                    store(at, load(at) * its);
                    continue;
                }
                floats slope = load(e + order[i] * wide) * (its + load(by + order[i] * LANES));
                if (added) slope += load(added + order[i] * LANES);
                store(at, runs->num == 1 ? slope : choose(where, slope, load(at)));
            }
        }
    }
}

/* One pixel by the definition, in double precision and with a maximum for every set: its weighted
   loss, and its terms added to `terms`. Region: derivatives of a region loss, or null. */
static double exact_pixel(const Batch *b, int64_t row, const logit_t *logits, logit_t *slope,
                          const float *region, double *terms) {
    int64_t leaf = b->logit_strides[1];
    const int32_t *order = b->order + row * b->leaves;
    const int32_t *until = b->until + row * (DEPTHS + 1);
    double top[DEPTHS + 1], sum[DEPTHS + 1], pull[DEPTHS + 1] = {0}, loss = 0, mean = 0;
    double scale = b->scale ? b->scale[row] : 1, added[b->leaves];
    memset(added, 0, sizeof added);
    for (int d = 0; d <= DEPTHS; d++) {
        top[d] = -INFINITY, sum[d] = 0;
        for (int i = 0; i < until[d]; i++)
            top[d] = fmax(top[d], from_logit(logits[order[i] * leaf]));
        for (int i = 0; i < until[d]; i++)
            sum[d] += exp(from_logit(logits[order[i] * leaf]) - top[d]);
        if (d == 0 || !b->resolved[row * DEPTHS + d - 1]) continue;
        double weight = b->weight[row * DEPTHS + d - 1] * (1.0 - b->smoothing);
        double term = top[0] + log(sum[0]) - top[d] - log(sum[d]);
        double other = fmax(-expm1(-term), TINY), factor = pow(other, b->focal);
        terms[d - 1] += term;
        loss += weight * factor * term;
        if (b->focal != 0) weight *= factor + b->focal * term * (1 - other) * factor / other;
        pull[0] += weight * scale;
        pull[d] = -weight * scale;
    }
    for (int i = 0; b->smoothing != 0 && i < b->num_near[row]; i++) {
        int64_t near = b->near[row * b->groups + i];
        double its_top = -INFINITY, its_sum = 0, share = b->spread[row * b->groups + near];
        for (int64_t k = b->group[2 * near]; k < b->group[2 * near + 1]; k++)
            its_top = fmax(its_top, from_logit(logits[k * leaf]));
        for (int64_t k = b->group[2 * near]; k < b->group[2 * near + 1]; k++)
            its_sum += exp(from_logit(logits[k * leaf]) - its_top);
        loss += share * (top[0] + log(sum[0]) - its_top - log(its_sum));
        pull[0] += share * scale;
        for (int64_t k = b->group[2 * near]; k < b->group[2 * near + 1]; k++)
            added[k] -= share * scale * exp(from_logit(logits[k * leaf]) - its_top) / its_sum;
    }
    for (int64_t k = 0; region && k < b->leaves; k++)
        mean += region[k] * exp(from_logit(logits[k * leaf]) - top[0]) / sum[0];
    for (int64_t i = 0; slope && i < b->leaves; i++) {
        double x = from_logit(logits[order[i] * leaf]), gradient = added[order[i]];
        if (region) gradient += (region[order[i]] - mean) * exp(x - top[0]) / sum[0];
        for (int d = 0; d <= DEPTHS && i < until[d]; d++)
            gradient += pull[d] * exp(x - top[d]) / sum[d];
        slope[order[i] * b->slope_strides[1]] = to_logit((float)gradient);
    }
    return loss;
}
