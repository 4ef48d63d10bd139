/* Loaded before the C library: makes calls on one file fail as a bad disk, or the clock jump.

   FAULT = operation:errno:bytes:path   operation read, write or fsync; it fails once so many bytes have passed on
                                        files whose path contains `path`.
   CLOCK_JUMPS = 1                      every look at the wall clock is off by up to ten years, either way. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static long long passed = 0;

static int fails(const char *operation, int fd, ssize_t size) {
    const char *fault = getenv("FAULT");
    char name[16], path[PATH_MAX], link[64], target[PATH_MAX];
    int code;
    long long bytes;
    if (!fault || sscanf(fault, "%15[^:]:%d:%lld:%4095s", name, &code, &bytes, path) != 4) return 0;
    if (strcmp(name, operation)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0) return 0;
    target[length] = 0;
    if (!strstr(target, path)) return 0;
    if (__atomic_add_fetch(&passed, size, __ATOMIC_SEQ_CST) <= bytes) return 0;
    errno = code;
    return 1;
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

ssize_t read(int fd, void *data, size_t size) {
    ssize_t n = REAL("read", ssize_t (*)(int, void *, size_t))(fd, data, size);
    return n > 0 && fails("read", fd, n) ? -1 : n;
}

ssize_t pread(int fd, void *data, size_t size, off_t at) {
    ssize_t n = REAL("pread", ssize_t (*)(int, void *, size_t, off_t))(fd, data, size, at);
    return n > 0 && fails("read", fd, n) ? -1 : n;
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at) {
    ssize_t n = REAL("pread64", ssize_t (*)(int, void *, size_t, off64_t))(fd, data, size, at);
    return n > 0 && fails("read", fd, n) ? -1 : n;
}

ssize_t write(int fd, const void *data, size_t size) {
    if (fails("write", fd, size)) return -1;
    return REAL("write", ssize_t (*)(int, const void *, size_t))(fd, data, size);
}

int fsync(int fd) {
    if (fails("fsync", fd, 1)) return -1;
    return REAL("fsync", int (*)(int))(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = REAL("clock_gettime", int (*)(clockid_t, struct timespec *))(clock, now);
    static unsigned seed = 1;
    if (!code && clock == CLOCK_REALTIME && getenv("CLOCK_JUMPS")) now->tv_sec += (rand_r(&seed) % 20 - 10) * 31557600L;
    return code;
}
