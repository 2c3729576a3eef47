/* Chance and time of a simulated process.
 *
 * The libraries under test draw keys of hash maps, wake orders and election timeouts from getrandom, and put the date
 * into what they send. A process that runs with HOLDFAST_SIM_SEED gets the same numbers in every run, each thread its
 * own, and a clock that stands still: simulated time is the runtimes' own, and whoever asks the system for time instead
 * shows at once by never moving. Any other process gets the system's. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static const char *seed_text(void) {
    static const char *text;
    static int known;
    if (!known) {
        text = getenv("HOLDFAST_SIM_SEED");
        known = 1;
    }
    return text;
}

/* splitmix64 */
static uint64_t next(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

ssize_t getrandom(void *into, size_t length, unsigned int flags) {
    static __thread uint64_t state;
    static __thread int begun;
    const char *seed = seed_text();
    if (seed == NULL) {
        return syscall(SYS_getrandom, into, length, flags);
    }
    if (!begun) {
        state = strtoull(seed, NULL, 10);
        begun = 1;
    }
    for (size_t at = 0; at < length; at++) {
        ((uint8_t *)into)[at] = (uint8_t)(next(&state) >> 56);
    }
    return (ssize_t)length;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (seed_text() == NULL) {
        return (int)syscall(SYS_clock_gettime, clock, now);
    }
    now->tv_sec = 1800000000;
    now->tv_nsec = 0;
    return 0;
}
