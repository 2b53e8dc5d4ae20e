/* battery.c: the bits that dropout draws, on standard output without end, for a battery of statistical tests.
 *
 *   battery along KEY    the elements of one key in their order, 16 bits each
 *   battery across KEY   the first 128 elements of KEY, of KEY + 1, ...: what neighbouring calls draw */
#include <signal.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define FNN_HAVE_OMP_SIMD 1
#include "isa/base.c"

int main(int count, char **arguments)
{
    if (count != 3)
        return fprintf(stderr, "battery along|across KEY\n"), 2;
    signal(SIGPIPE, SIG_IGN); /* the reader decides how much it wants */
    const int across = !strcmp(arguments[1], "across");
    const uint64_t start = strtoull(arguments[2], NULL, 0);
    for (uint64_t i = 0;; i++)
    {
        static uint16_t words[64 * GROUP];
        for (uint64_t j = 0; j < 64; j++)
        {
            int32_t bits[GROUP];
            const uint64_t n = i * 64 + j, key = across ? start + n : start;
            philox_group(bits, across ? 0 : n, (uint32_t)key, (uint32_t)(key >> 32));
            for (int l = 0; l < GROUP; l++)
                words[j * GROUP + (uint64_t)l] = (uint16_t)bits[l];
        }
        if (fwrite(words, sizeof words, 1, stdout) != 1)
            return 0; /* nobody reads on */
    }
}
