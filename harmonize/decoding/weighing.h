/* The unit of LANES pixels by the probabilities of the groups of a tree.

   The leaves are gone through once. Each node of the tree with several parts takes the sum of the
   exponentials below it, and the unit that the best of its parts is answered as: what is the best
   part does not depend on the rest of the tree. */

#include "scaled_rows.h"

/* Leaves one after the other that are parts of one node: each a unit, or together one. */
typedef struct {
    int32_t first, last; /* of the leaves; the one after the last */
    int32_t level;       /* of the node: 0 for the root */
    int32_t closes;      /* nodes that are whole with them: this one, the one that it is in, ... */
    int32_t together;    /* they are one unit */
} Run;

typedef struct {
    int64_t runs, levels;
    const Run *run;
    const int32_t *unit;    /* F: of each leaf */
    const float *weight;    /* F: what its unit is worth beside the groups that it is in */
    const uint8_t *allowed; /* F: whether its unit may be answered; one at least */
    const float *closing;   /* what each node that becomes whole is worth, in turn */
    int32_t first_allowed;  /* unit */
    int32_t by_logit;       /* every leaf is a unit and part of the root */
    int32_t by_height;      /* the worth counts, not the sums alone */
} Tree;

/* A node of which some parts have been seen. */
typedef struct {
    floats total, best;
    ints chosen;
    int64_t any; /* whether any of them may be answered */
} Node;

/* The logits of LANES pixels, leaf by leaf: `part` of the way between those of two rows. */
typedef struct {
    const float *low, *high;
    float part;
} Pixels;

static inline __attribute__((always_inline)) floats logit(const Pixels *x, int64_t f,
                                                          const int between) {
    floats low = load(x->low + f * LANES);
    return between ? low + x->part * (load(x->high + f * LANES) - low) : low;
}

static inline Node nothing(const Tree *t) {
    return (Node){{0}, all_of(-1.0f), (ints){0} + t->first_allowed, 0};
}

static inline __attribute__((always_inline)) void add_part(Node *node, floats sum, floats worth,
                                                           ints unit, int64_t any) {
    node->total += sum;
    if (!any) return;
    keep_better(worth, unit, &node->best, &node->chosen);
    node->any = 1;
}

/* Return the root, all exponentials being those of logits less `less`. */
static inline __attribute__((always_inline)) Node weigh(const Tree *t, Node *open, const Pixels *x,
                                                        floats less, const int between,
                                                        const int by_height) {
    const float *closing = t->closing;
    int64_t level = 0;
    Node node = nothing(t);
    for (const Run *run = t->run; run < t->run + t->runs; run++) {
        for (; level < run->level; level++) open[level] = node, node = nothing(t);
        if (run->together) {
            floats sum = {0};
            for (int64_t f = run->first; f < run->last; f++)
                sum += exponential(logit(x, f, between) - less);
            int64_t f = run->first;
            floats worth = by_height ? sum * t->weight[f] : sum;
            add_part(&node, sum, worth, (ints){0} + t->unit[f], t->allowed[f]);
        } else {
            for (int64_t f = run->first; f < run->last; f++) {
                floats its = exponential(logit(x, f, between) - less);
                floats worth = by_height ? its * t->weight[f] : its;
                add_part(&node, its, worth, (ints){0} + t->unit[f], t->allowed[f]);
            }
        }
        for (int32_t i = 0; i < run->closes; i++, closing++) {
            floats sum = node.total, worth = sum;
            if (by_height) worth = node.best + sum * *closing;
            ints chosen = node.chosen;
            int64_t any = node.any;
            node = open[--level];
            add_part(&node, sum, worth, chosen, any);
        }
    }
    return node;
}

/* Return the unit of the largest logit, where no sums matter. */
static inline __attribute__((always_inline)) ints largest(const Tree *t, const Pixels *x,
                                                          int64_t leaves, const int between) {
    Node node = nothing(t);
    node.best = all_of(-__builtin_inff());
    for (int64_t f = 0; f < leaves; f++)
        if (t->allowed[f])
            keep_better(logit(x, f, between), (ints){0} + t->unit[f], &node.best, &node.chosen);
    return node.chosen;
}

/* Return the units of LANES pixels. Less: what is taken off their logits, which stays as long as
   it keeps the exponentials in range. */
static inline __attribute__((always_inline)) ints decide(const Tree *t, Node *open, const Pixels *x,
                                                         int64_t leaves, floats *less,
                                                         const int between, const int by_height) {
    if (t->by_logit) return largest(t, x, leaves, between);
    Node root = weigh(t, open, x, *less, between, by_height);
    if (all_between(root.total, 1e-10f, 1e30f)) return root.chosen;
    *less = logit(x, 0, between);
    for (int64_t f = 1; f < leaves; f++) *less = larger(*less, logit(x, f, between));
    return weigh(t, open, x, *less, between, by_height).chosen;
}
