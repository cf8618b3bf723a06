/* Which calls change files below a folder, and what happens when the n-th of them is killed or fails?
 *
 * Loaded by LD_PRELOAD into the program under test; failing_io.py compiles it and drives it. It knows nothing of what
 * the files hold. Every call that is watched goes to the kernel directly, so nothing of the C library is in between.
 *
 * Not seen: what the C library writes for itself (fopen, fwrite), stores into a mapped file, io_uring.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define LOG_DESCRIPTOR 900
#define SLICES 1024

typedef struct {
    int error;      /* fail with it instead of calling; 0: call */
    int half;       /* write only half of the bytes */
    int kill_after; /* SIGKILL when the call has returned */
} Verdict;

enum Kind { OTHER, WRITE };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char prefix[PATH_MAX];
static size_t prefix_length;
static char what[32];
static long at, count;
static int log_descriptor = -1;
static int full, next_write_fails;

void failing_io_arm(const char *below, long n, const char *fault) {
    pthread_mutex_lock(&turn);
    prefix_length = strlen(below) < PATH_MAX ? strlen(below) : 0;
    memcpy(prefix, below, prefix_length);
    snprintf(what, sizeof what, "%s", fault);
    at = n;
    count = full = next_write_fails = 0;
    pthread_mutex_unlock(&turn);
}

void failing_io_log(const char *path) {
    pthread_mutex_lock(&turn);
    if (log_descriptor >= 0) syscall(SYS_close, log_descriptor);
    log_descriptor = -1;
    if (*path) {
        int opened = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        log_descriptor = opened < 0 ? -1 : (int)syscall(SYS_fcntl, opened, F_DUPFD_CLOEXEC, LOG_DESCRIPTOR);
        if (opened >= 0) syscall(SYS_close, opened);
    }
    pthread_mutex_unlock(&turn);
}

long failing_io_count(void) { return count; }

__attribute__((constructor)) static void begin(void) {
    const char *below = getenv("FAILING_IO_PREFIX"), *n = getenv("FAILING_IO_AT"), *fault = getenv("FAILING_IO_WHAT");
    const char *path = getenv("FAILING_IO_LOG");
    if (path) failing_io_log(path);
    if (below && *below) failing_io_arm(below, n ? atol(n) : 0, fault ? fault : "");
}

static void die(int signal_number) {
    syscall(SYS_kill, syscall(SYS_getpid), signal_number);
}

static int is_below(const char *path) {
    return path && strncmp(path, prefix, prefix_length) == 0;
}

static Verdict judge(const char *call, enum Kind kind, const char *path, const char *other) {
    Verdict verdict = {0, 0, 0};
    if (!is_below(path) && !is_below(other)) return verdict;
    int saved = errno;
    pthread_mutex_lock(&turn);
    long n = ++count;
    if (log_descriptor >= 0) {
        char line[2 * PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld\t%s\t%s%s%s\n", n, call, path, other ? "\t" : "", other ? other : "");
        syscall(SYS_write, log_descriptor, line, length);
    }
    if (kind == WRITE && (full || next_write_fails)) {
        verdict.error = ENOSPC;
        next_write_fails = 0;
    }
    int reached = n == at;
    if (reached && strcmp(what, "ENOSPC+") == 0) {
        full = 1;
        if (kind == WRITE) verdict.error = ENOSPC;
    } else if (reached && strcmp(what, "EIO") == 0) {
        verdict.error = EIO;
    } else if (reached && strcmp(what, "ENOSPC") == 0) {
        verdict.error = ENOSPC;
    } else if (reached && strcmp(what, "kill_after") == 0) {
        verdict.kill_after = 1;
    } else if (reached && kind == WRITE && strcmp(what, "short") == 0) {
        verdict.half = verdict.kill_after = 1;
    } else if (reached && kind == WRITE && strcmp(what, "short_error") == 0) {
        verdict.half = next_write_fails = 1;
    }
    pthread_mutex_unlock(&turn);
    if (reached && strcmp(what, "kill") == 0) die(SIGKILL);
    if (reached && strcmp(what, "stop") == 0) die(SIGSTOP);
    errno = saved;
    return verdict;
}

static long ended(Verdict verdict, long result) {
    if (verdict.kill_after) die(SIGKILL);
    return result;
}

/* Make a call unless the verdict is an error. */
#define CALL(verdict, ...) ((verdict).error ? (errno = (verdict).error, -1) : ended((verdict), syscall(__VA_ARGS__)))

static const char *path_of(int descriptor, char *buffer) {
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    long length = syscall(SYS_readlinkat, AT_FDCWD, name, buffer, PATH_MAX - 1);
    if (length < 0) return NULL;
    buffer[length] = 0;
    return buffer;
}

/* The absolute form of a path that is given relative to a folder. */
static const char *absolute(int folder, const char *path, char *buffer) {
    if (!path || path[0] == '/') return path;
    if (folder == AT_FDCWD ? syscall(SYS_getcwd, buffer, PATH_MAX) < 0 : !path_of(folder, buffer)) return path;
    size_t length = strlen(buffer);
    snprintf(buffer + length, PATH_MAX - length, "/%s", path);
    return buffer;
}

static Verdict on_descriptor(const char *call, enum Kind kind, int descriptor) {
    char buffer[PATH_MAX];
    if (!prefix_length) return (Verdict){0, 0, 0};
    int saved = errno;
    const char *path = path_of(descriptor, buffer);
    errno = saved;
    return judge(call, kind, path, NULL);
}

static Verdict on_path(const char *call, enum Kind kind, int folder, const char *path) {
    char buffer[PATH_MAX];
    return prefix_length ? judge(call, kind, absolute(folder, path, buffer), NULL) : (Verdict){0, 0, 0};
}

static Verdict on_paths(const char *call, int folder, const char *path, int other_folder, const char *other) {
    char one[PATH_MAX], two[PATH_MAX];
    if (!prefix_length) return (Verdict){0, 0, 0};
    return judge(call, OTHER, absolute(folder, path, one), absolute(other_folder, other, two));
}

/* Opening, where it creates or empties a file. */

static int open_below(int folder, const char *path, int flags, mode_t mode) {
    Verdict verdict = {0, 0, 0};
    if (prefix_length && flags & (O_CREAT | O_TRUNC)) {
        int saved = errno, is_there = syscall(SYS_faccessat, folder, path, F_OK) == 0;
        errno = saved;
        verdict = on_path(is_there ? "open" : "create", OTHER, folder, path);
    }
    return (int)CALL(verdict, SYS_openat, folder, path, flags, mode);
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0;                                    \
        va_end(rest);                                                                                                  \
        return open_below(AT_FDCWD, path, flags, mode);                                                                \
    }
#define OPENAT(name)                                                                                                   \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0;                                    \
        va_end(rest);                                                                                                  \
        return open_below(folder, path, flags, mode);                                                                  \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
int __open_2(const char *path, int flags) { return open_below(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_below(AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char *path, int flags) { return open_below(folder, path, flags, 0); }
int __openat64_2(int folder, const char *path, int flags) { return open_below(folder, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_below(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

/* Writing. */

static size_t part(Verdict verdict, size_t size) { return verdict.half ? size / 2 : size; }

ssize_t write(int descriptor, const void *data, size_t size) {
    Verdict verdict = on_descriptor("write", WRITE, descriptor);
    return CALL(verdict, SYS_write, descriptor, data, part(verdict, size));
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    Verdict verdict = on_descriptor("pwrite", WRITE, descriptor);
    return CALL(verdict, SYS_pwrite64, descriptor, data, part(verdict, size), offset);
}
ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    return pwrite(descriptor, data, size, offset);
}

/* Copy the slices that make up the first half of the bytes; return their number. */
static int first_half(const struct iovec *slices, int number, struct iovec *halved) {
    size_t left = 0;
    int kept = 0;
    for (int i = 0; i < number; i++) left += slices[i].iov_len;
    left /= 2;
    for (; kept < number && kept < SLICES && left; kept++) {
        halved[kept] = slices[kept];
        if (halved[kept].iov_len > left) halved[kept].iov_len = left;
        left -= halved[kept].iov_len;
    }
    return kept;
}

ssize_t writev(int descriptor, const struct iovec *slices, int number) {
    struct iovec halved[SLICES];
    Verdict verdict = on_descriptor("writev", WRITE, descriptor);
    if (verdict.half) number = first_half(slices, number, halved), slices = halved;
    return CALL(verdict, SYS_writev, descriptor, slices, number);
}

ssize_t pwritev(int descriptor, const struct iovec *slices, int number, off_t offset) {
    struct iovec halved[SLICES];
    Verdict verdict = on_descriptor("pwritev", WRITE, descriptor);
    if (verdict.half) number = first_half(slices, number, halved), slices = halved;
    return CALL(verdict, SYS_pwritev, descriptor, slices, number, offset, 0);
}
ssize_t pwritev64(int descriptor, const struct iovec *slices, int number, off64_t offset) {
    return pwritev(descriptor, slices, number, offset);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t size) {
    Verdict verdict = on_descriptor("sendfile", WRITE, out);
    return CALL(verdict, SYS_sendfile, out, in, offset, part(verdict, size));
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t size) { return sendfile(out, in, offset, size); }

ssize_t copy_file_range(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size, unsigned flags) {
    Verdict verdict = on_descriptor("copy_file_range", WRITE, out);
    return CALL(verdict, SYS_copy_file_range, in, in_offset, out, out_offset, part(verdict, size), flags);
}

int fallocate(int descriptor, int mode, off_t offset, off_t size) {
    Verdict verdict = on_descriptor("fallocate", mode & FALLOC_FL_PUNCH_HOLE ? OTHER : WRITE, descriptor);
    return (int)CALL(verdict, SYS_fallocate, descriptor, mode, offset, size);
}
int fallocate64(int descriptor, int mode, off64_t offset, off64_t size) {
    return fallocate(descriptor, mode, offset, size);
}

/* Sizes and durability. */

int ftruncate(int descriptor, off_t size) {
    Verdict verdict = on_descriptor("ftruncate", OTHER, descriptor);
    return (int)CALL(verdict, SYS_ftruncate, descriptor, size);
}
int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

int truncate(const char *path, off_t size) {
    Verdict verdict = on_path("truncate", OTHER, AT_FDCWD, path);
    return (int)CALL(verdict, SYS_truncate, path, size);
}
int truncate64(const char *path, off64_t size) { return truncate(path, size); }

int fsync(int descriptor) {
    Verdict verdict = on_descriptor("fsync", OTHER, descriptor);
    return (int)CALL(verdict, SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
    Verdict verdict = on_descriptor("fdatasync", OTHER, descriptor);
    return (int)CALL(verdict, SYS_fdatasync, descriptor);
}

int sync_file_range(int descriptor, off64_t offset, off64_t size, unsigned flags) {
    Verdict verdict = on_descriptor("sync_file_range", OTHER, descriptor);
    return (int)CALL(verdict, SYS_sync_file_range, descriptor, offset, size, flags);
}

/* Names. */

int renameat2(int folder, const char *path, int new_folder, const char *new_path, unsigned flags) {
    Verdict verdict = on_paths("rename", folder, path, new_folder, new_path);
    return (int)CALL(verdict, SYS_renameat2, folder, path, new_folder, new_path, flags);
}
int renameat(int folder, const char *path, int new_folder, const char *new_path) {
    return renameat2(folder, path, new_folder, new_path, 0);
}
int rename(const char *path, const char *new_path) { return renameat2(AT_FDCWD, path, AT_FDCWD, new_path, 0); }

int unlinkat(int folder, const char *path, int flags) {
    Verdict verdict = on_path(flags & AT_REMOVEDIR ? "rmdir" : "unlink", OTHER, folder, path);
    return (int)CALL(verdict, SYS_unlinkat, folder, path, flags);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    struct stat found;
    return unlinkat(AT_FDCWD, path, lstat(path, &found) == 0 && S_ISDIR(found.st_mode) ? AT_REMOVEDIR : 0);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    Verdict verdict = on_path("mkdir", OTHER, folder, path);
    return (int)CALL(verdict, SYS_mkdirat, folder, path, mode);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int folder, const char *path, int new_folder, const char *new_path, int flags) {
    Verdict verdict = on_paths("link", folder, path, new_folder, new_path);
    return (int)CALL(verdict, SYS_linkat, folder, path, new_folder, new_path, flags);
}
int link(const char *path, const char *new_path) { return linkat(AT_FDCWD, path, AT_FDCWD, new_path, 0); }

int symlinkat(const char *content, int folder, const char *path) {
    Verdict verdict = on_path("symlink", OTHER, folder, path);
    return (int)CALL(verdict, SYS_symlinkat, content, folder, path);
}
int symlink(const char *content, const char *path) { return symlinkat(content, AT_FDCWD, path); }
