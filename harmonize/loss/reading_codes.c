/* Reads the codes of pixels: checks them, counts them, and says which row of the loss's tables each
   has: its own, or the last for `ignore`. */

#include <stdint.h>

#define CHUNK 2048 /* pixels whose rows stay in a core's cache until they are counted */

/* Returns how many codes are neither in 0, ..., last - 1 nor `ignore`. Counts: 4 x (last + 1), four
   tables in turn, since to add to what was just stored takes long; added to. */
#define READ(name, type)                                                                        \
    int64_t name(const type *codes, int64_t pixels, int32_t last, int32_t ignore, int32_t *rows, \
                 int32_t *counts) {                                                             \
        int64_t strange = 0;                                                                    \
        for (int64_t first = 0; first < pixels; first += CHUNK) {                               \
            int64_t end = pixels - first < CHUNK ? pixels : first + CHUNK;                      \
            int32_t wrong = 0;                                                                  \
            for (int64_t p = first; p < end; p++) {                                             \
                int is_known = codes[p] >= 0 && codes[p] < last;                                \
                rows[p] = is_known ? (int32_t)codes[p] : last;                                  \
                wrong += !is_known & (codes[p] != ignore);                                      \
            }                                                                                   \
            strange += wrong;                                                                   \
            for (int64_t p = first; p < end; p++) counts[(p & 3) * (last + 1) + rows[p]]++;     \
        }                                                                                       \
        return strange;                                                                         \
    }

READ(read_uint8, uint8_t)
READ(read_int16, int16_t)
READ(read_int32, int32_t)
READ(read_int64, int64_t)
