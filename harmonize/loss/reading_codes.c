/* Reads the codes of pixels: checks them, counts them, and says which row of the loss's tables each
   has: its own, or the last for `ignore`. */

#include <stdint.h>

#define CHUNK 2048 /* pixels whose rows stay in a core's cache until they are counted */

typedef struct {
    const void *codes; /* B x P */
    int64_t pixels;    /* P */
    int64_t last;      /* codes below it are known */
    int64_t ignore;
    int32_t *rows;     /* B x P */
    int32_t *counts;   /* B x 4 x (last + 1): four tables in turn, since to add to what was just
                          stored takes long; added to */
} Codes;

/* Returns whether a picture has codes that are neither known nor `ignore`. */
#define READ(name, type)                                                                    \
    int name(const Codes *c, int64_t picture) {                                             \
        const type *codes = (const type *)c->codes + picture * c->pixels;                   \
        const int32_t last = (int32_t)c->last, ignore = (int32_t)c->ignore;                 \
        int32_t *rows = c->rows + picture * c->pixels;                                      \
        int32_t *counts = c->counts + picture * 4 * (last + 1);                             \
        int64_t strange = 0;                                                                \
        for (int64_t first = 0; first < c->pixels; first += CHUNK) {                        \
            int64_t end = c->pixels - first < CHUNK ? c->pixels : first + CHUNK;            \
            int32_t wrong = 0;                                                              \
            for (int64_t p = first; p < end; p++) {                                         \
                int is_known = codes[p] >= 0 && codes[p] < last;                            \
                rows[p] = is_known ? (int32_t)codes[p] : last;                              \
                wrong += !is_known & (codes[p] != ignore);                                  \
            }                                                                               \
            strange += wrong;                                                               \
            for (int64_t p = first; p < end; p++) counts[(p & 3) * (last + 1) + rows[p]]++; \
        }                                                                                   \
        return strange != 0;                                                                \
    }

READ(read_uint8, uint8_t)
READ(read_int16, int16_t)
READ(read_int32, int32_t)
READ(read_int64, int64_t)
