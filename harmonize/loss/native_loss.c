/* The hierarchical loss and its gradient on a CPU, in one pass over the logits.

   For a pixel whose label has the agreement A, with e the exponentials of its logits less their
   maximum, s(d) is the sum of e over the leaves where A >= d. The loss is the sum over the depths
   of w(d) (log s(0) - log s(d)); the gradient of leaf k is e(k) times the sum over all depths of
   w(d) / s(0), less that over the depths d <= A(k) of w(d) / s(d).

   With a focal factor the loss at depth d is w(d) (1 - p) ** focal L for L = log s(0) - log s(d)
   and p = exp(-L), and its derivative by L takes the place of w(d) in the gradient. Label smoothing
   adds c (log s(0) - log s(G)) for each group G of siblings, which are ranges of leaves; the
   gradient of its leaves has c e(k) / s(G) less, and all leaves c e(k) / s(0) more. */

#include "chunks.h"

/* Work off LANES pixels, of which the first `count` are there: their exponentials become the
   gradient if one is wanted. Returns the pixels that need `exact_pixel`, one bit each; they are
   not added. */
static uint32_t work_off(const Batch *b, const Scratch *s, int64_t at, int64_t place, int count,
                         double *total, double *terms) {
    Runs runs;
    Outcome out;
    find_runs(&runs, b->row + place, count);
    find_log_loss(b, s, &runs, count, at, &out);
    for (int d = 0; d < DEPTHS; d++) terms[d] += sum_of(out.term[d]);
    for (int p = 0; p < LANES; p++) *total += out.loss[p];
    if (b->slope) find_gradient(b, s, &runs, at, out.factor);
    return rare_of(&out, count);
}

typedef struct {
    Batch batch;
    int64_t pictures;
    int64_t pieces;
    double *total; /* pieces x B: the weighted loss */
    double *terms; /* pieces x B x D: the loss of each resolved depth */
} Job;

/* Work off one piece of all pixels, adding to its sums. Returns 0, or 1 if there is no memory. */
int hierarchical_loss(const Job *j, int64_t piece) {
    const Batch *b = &j->batch;
    int64_t first = b->pixels * j->pictures * piece / j->pieces;
    int64_t last = b->pixels * j->pictures * (piece + 1) / j->pieces;
    double *total = j->total + piece * j->pictures;
    double *terms = j->terms + piece * j->pictures * DEPTHS;
    Scratch s;
    if (!get_scratch(&s, b)) return 1;
    for (int64_t start = first, count; start < last; start += count) {
        int64_t picture = start / b->pixels, pixel = start % b->pixels;
        count = b->pixels - pixel < last - start ? b->pixels - pixel : last - start;
        count = count < s.wide ? count : s.wide;
        const int64_t *of = b->logit_strides, *to = b->slope_strides;
        const logit_t *logits = b->logits + picture * of[0] + pixel * of[2];
        logit_t *slope = b->slope ? b->slope + picture * to[0] + pixel * to[2] : NULL;
        double *its_total = total + picture, *its_terms = terms + picture * DEPTHS;
        uint32_t rare[WIDEST / LANES];
        read_exponentials(b, logits, count, s.e, s.x, s.wide, NULL, NULL);
        for (int64_t p = 0; p < count; p += LANES) {
            int here = count - p < LANES ? (int)(count - p) : LANES;
            rare[p / LANES] = work_off(b, &s, p, start + p, here, its_total, its_terms);
        }
        if (slope) write_slope(b, s.e, s.wide, count, slope);
        for (int64_t p = 0; p < count; p++)
            if (rare[p / LANES] >> p % LANES & 1)
                *its_total += exact_pixel(b, b->row[start + p], logits + p * of[2],
                                          slope ? slope + p * to[2] : NULL, NULL, its_terms);
    }
    free_scratch(&s);
    return 0;
}
