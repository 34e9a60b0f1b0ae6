/* Counts pixels by what they are and what they are answered as.

   Letters: P pixels, L classes of the label, U units of a decoding tree. */

#include <stdint.h>

/* Two tables in turn, since to add to what was just stored takes long. Returns how many pixels have
   a class of no row. */
#define COUNT(name, type)                                                                    \
    int64_t name(const type *classes, const int32_t *units, int64_t pixels, int64_t num_classes, \
                 int64_t num_units, int32_t *counts) {                                       \
        int64_t strange = 0;                                                                 \
        for (int64_t p = 0; p < pixels; p++) {                                               \
            if ((uint64_t)classes[p] >= (uint64_t)num_classes) strange++;                    \
            else counts[((p & 1) * num_classes + classes[p]) * num_units + units[p]]++;      \
        }                                                                                    \
        return strange;                                                                      \
    }

COUNT(count_uint8, uint8_t)
COUNT(count_int16, int16_t)
COUNT(count_int32, int32_t)
COUNT(count_int64, int64_t)
