/* The type of logits: compiled with BFLOAT16 = 1 it is bfloat16, with 0 float. */

#include <stdint.h>
#include <string.h>

#if BFLOAT16
typedef uint16_t logit_t;
static inline float from_logit(logit_t stored) {
    uint32_t bits = (uint32_t)stored << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static inline logit_t to_logit(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16; /* to the nearest, ties to even */
    return (logit_t)(value == value ? rounded : 0x7fc0);
}
#else
typedef float logit_t;
static inline float from_logit(logit_t stored) { return stored; }
static inline logit_t to_logit(float value) { return value; }
#endif
