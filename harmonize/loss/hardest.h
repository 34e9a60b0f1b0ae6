/* The largest of many numbers, by counting: no sorting, and the same whoever counts. */

#include <stdint.h>
#include <string.h>

#define BITS 11 /* of a key that are counted together */

/* A number above 0 that is larger for a larger loss, and largest for one that is no number. */
static inline uint32_t key_of(float loss) {
    uint32_t bits;
    loss += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &loss, sizeof bits);
    if (loss != loss) return UINT32_MAX;
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* Keep the `wanted` largest keys, of equal ones the first. Keys of 0 are never kept. */
static void keep_largest(const uint32_t *keys, int64_t number, int64_t wanted, uint8_t *kept) {
    uint32_t least = 0;
    memset(kept, 0, (size_t)number);
    if (wanted == 0) return;
    for (int shift = 32 - BITS, width = BITS; width > 0;) {
        uint32_t above = shift + width == 32 ? 0 : least >> (shift + width), most = (1u << width) - 1;
        int64_t counts[1 << BITS] = {0};
        for (int64_t p = 0; p < number; p++)
            if (keys[p] && (shift + width == 32 || keys[p] >> (shift + width) == above))
                counts[keys[p] >> shift & most]++;
        uint32_t digit = most;
        while (counts[digit] < wanted) wanted -= counts[digit--];
        least |= digit << shift;
        width = shift < BITS ? shift : BITS;
        shift -= width;
    }
    for (int64_t p = 0; p < number; p++) {
        int equal = keys[p] == least && wanted > 0;
        kept[p] = keys[p] > least || equal;
        wanted -= equal;
    }
}
