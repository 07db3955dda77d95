/*
 * Preloaded into a server, this fails one of its operations that change what is on disk. Each such operation on what is
 * below FAULTS_FOLDER is a point; they are counted, over all threads, from the moment on that the test arms this. What is
 * counted, and what becomes of the point that is hit, is in FAULTS_FILE, which is mapped: fault-plan.ts writes and reads it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#include "power.h"

enum kind { COUNT, KILL_BEFORE, KILL_AFTER, KILL_HALFWAY, FAIL, LOSE_POWER };

struct plan {
  _Atomic uint32_t armed;
  _Atomic uint32_t points;
  uint32_t at;    /* the point that is hit, from 1; of FAIL, the first one */
  uint32_t kind;
  uint32_t error; /* of FAIL: an errno */
  uint32_t times; /* of FAIL: how many points one after another */
  _Atomic uint32_t hits;
};

static struct plan *plan;
static const char *folder;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("FAULTS_FILE");
  folder = getenv("FAULTS_FOLDER");
  if (!file || !folder) return;
  int fd = open(file, O_RDWR | O_CLOEXEC);
  void *shared = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) abort();
  close(fd);
  plan = shared;
  if (plan->kind == LOSE_POWER) watch_power(folder);
}

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

static int is_below(const char *path) { return strncmp(path, folder, strlen(folder)) == 0; }

static int concerns_path(const char *path) { return plan && plan->armed && is_below(path); }

static int concerns(int fd) {
  if (!plan || !plan->armed) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_below(path);
}

__attribute__((noreturn)) static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

enum course { GO_ON, GO_HALFWAY, GO_AND_DIE, GO_WRONG };

static enum course next(void) {
  uint32_t point = atomic_fetch_add(&plan->points, 1) + 1;
  uint32_t last = plan->at + (plan->kind == FAIL ? plan->times - 1 : 0);
  if (plan->kind == COUNT || point < plan->at || point > last) return GO_ON;
  atomic_fetch_add(&plan->hits, 1);
  switch (plan->kind) {
    case LOSE_POWER: lose_power(); die();
    case KILL_BEFORE: die();
    case KILL_AFTER: return GO_AND_DIE;
    case KILL_HALFWAY: return GO_HALFWAY;
    default: errno = (int)plan->error; return GO_WRONG;
  }
}

/* `part` is what has been done where it is done halfway; before and after are for power.c. */
#define POINT(type, is_one, before, whole, part, after) \
  do {                                                  \
    int is_ours = (is_one);                             \
    enum course course = is_ours ? next() : GO_ON;      \
    if (course == GO_WRONG) return -1;                  \
    if (course == GO_HALFWAY) {                         \
      (void)!(part);                                    \
      die();                                            \
    }                                                   \
    if (is_ours) before;                                \
    type result = (whole);                              \
    if (is_ours && result >= 0) after;                  \
    if (course == GO_AND_DIE) die();                    \
    return result;                                      \
  } while (0)

ssize_t write(int fd, const void *bytes, size_t length) {
  ssize_t (*call)(int, const void *, size_t) = real("write");
  POINT(ssize_t, concerns(fd), to_write(fd), call(fd, bytes, length), call(fd, bytes, length / 2), (void)0);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
  ssize_t (*call)(int, const void *, size_t, off64_t) = real("pwrite64");
  POINT(ssize_t, concerns(fd), to_write(fd), call(fd, bytes, length, at), call(fd, bytes, length / 2, at), (void)0);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  ssize_t (*call)(int, const struct iovec *, int) = real("writev");
  POINT(ssize_t, concerns(fd), to_write(fd), call(fd, parts, count), call(fd, parts, count / 2), (void)0);
}

int fsync(int fd) {
  int (*call)(int) = real("fsync");
  POINT(int, concerns(fd), (void)0, call(fd), 0, synced(fd));
}

int fdatasync(int fd) {
  int (*call)(int) = real("fdatasync");
  POINT(int, concerns(fd), (void)0, call(fd), 0, synced(fd));
}

int ftruncate64(int fd, off64_t length) {
  int (*call)(int, off64_t) = real("ftruncate64");
  POINT(int, concerns(fd), to_write(fd), call(fd, length), 0, (void)0);
}

int futimens(int fd, const struct timespec times[2]) {
  int (*call)(int, const struct timespec[2]) = real("futimens");
  POINT(int, concerns(fd), (void)0, call(fd, times), 0, (void)0);
}

int rename(const char *from, const char *to) {
  int (*call)(const char *, const char *) = real("rename");
  POINT(int, concerns_path(to), to_rename(from, to), call(from, to), 0, done());
}

int unlink(const char *path) {
  int (*call)(const char *) = real("unlink");
  POINT(int, concerns_path(path), to_remove(path), call(path), 0, done());
}

int rmdir(const char *path) {
  int (*call)(const char *) = real("rmdir");
  POINT(int, concerns_path(path), to_remove(path), call(path), 0, done());
}

int mkdir(const char *path, mode_t mode) {
  int (*call)(const char *, mode_t) = real("mkdir");
  POINT(int, concerns_path(path), to_make(path), call(path, mode), 0, done());
}

static int open_by(const char *name, const char *path, int flags, va_list rest) {
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  int (*call)(const char *, int, ...) = real(name);
  POINT(int, (flags & O_CREAT) && concerns_path(path), to_make(path), call(path, flags, mode), 0, done());
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int fd = open_by("open64", path, flags, rest);
  va_end(rest);
  return fd;
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int fd = open_by("open", path, flags, rest);
  va_end(rest);
  return fd;
}
