/* A keyed hash: a program that does not know the seed cannot make many keys with the same hash.
 *
 * Source SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012), with one
 *        round for each word and three at the end. */
#ifndef PROCESSION_OS_SIPHASH_H
#define PROCESSION_OS_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t siphash_rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void siphash_round(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = siphash_rotate(v[1], 13) ^ v[0];
    v[3] = siphash_rotate(v[3], 16) ^ v[2];
    v[0] = siphash_rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = siphash_rotate(v[1], 17) ^ v[2];
    v[3] = siphash_rotate(v[3], 21) ^ v[0];
    v[2] = siphash_rotate(v[2], 32);
}

static inline void siphash_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    siphash_round(v);
    v[0] ^= word;
}

static inline uint64_t siphash(const uint64_t seed[2], const void *data, size_t size)
{
    uint64_t v[4] = {
        seed[0] ^ UINT64_C(0x736f6d6570736575),
        seed[1] ^ UINT64_C(0x646f72616e646f6d),
        seed[0] ^ UINT64_C(0x6c7967656e657261),
        seed[1] ^ UINT64_C(0x7465646279746573),
    };
    const char *at = data;
    uint64_t word, last = (uint64_t)size << 56;
    for (size_t left = size / 8; left > 0; left--, at += 8) {
        memcpy(&word, at, 8); /* in the machine's order: all processes of a family share it */
        siphash_word(v, word);
    }
    word = 0;
    memcpy(&word, at, size % 8);
    siphash_word(v, last | word);
    v[2] ^= 0xff;
    siphash_round(v);
    siphash_round(v);
    siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
