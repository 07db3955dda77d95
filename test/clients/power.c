/*
 * The worst that a failure of the power may do by POSIX: of each file the bytes, and of each folder the names, are as they
 * were when it was last synced. What a file has had is kept beside it when it is first changed. Files beside the
 * folder, in `<folder>.unsynced`, are on the same file system, so that names can be linked there.
 */
#define _GNU_SOURCE
#include "power.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 4096 };

/* A file whose bytes are not synced. */
struct changed {
  char path[PATH_MAX];
  int kept; /* which file has what it had; 0: it was empty */
};

enum act { MADE, REMOVED, RENAMED };

/* A name that is not synced. */
struct named {
  enum act act;
  int is_folder;
  char path[PATH_MAX];
  char from[PATH_MAX]; /* of RENAMED */
  int kept;            /* which file was there; 0: none */
};

static char beside[PATH_MAX];
static struct changed *changed;
static struct named *named;
static int changes, names, files;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
/* What this thread is about to do. */
static __thread struct named pending;
static __thread int is_pending;

/* The same calls as the program's, but these are not points. */
#define CALL(type, name, ...) ((type)dlsym(RTLD_NEXT, #name))(__VA_ARGS__)
#define OPEN(path, flags) CALL(int (*)(const char *, int, ...), open64, path, flags, 0600)
#define WRITE(fd, bytes, length) CALL(ssize_t (*)(int, const void *, size_t), write, fd, bytes, length)
#define RENAME(from, to) CALL(int (*)(const char *, const char *), rename, from, to)
#define UNLINK(path) CALL(int (*)(const char *), unlink, path)

static void must(int is_so) {
  if (!is_so) {
    perror("power.c");
    abort();
  }
}

void watch_power(const char *folder) {
  snprintf(beside, sizeof beside, "%s.unsynced", folder);
  CALL(int (*)(const char *, mode_t), mkdir, beside, 0700);
  changed = calloc(MOST, sizeof *changed);
  named = calloc(MOST, sizeof *named);
  must(changed && named);
}

static void path_of_kept(char *path, int number) { snprintf(path, PATH_MAX, "%.4000s/%d", beside, number); }

static int path_of(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return 1;
}

/* Of files that are written, so that this is short. */
static void copy(int from, int to) {
  char bytes[65536];
  off_t at = 0;
  for (ssize_t length; (length = pread(from, bytes, sizeof bytes, at)) != 0; at += length)
    must(length > 0 && WRITE(to, bytes, (size_t)length) == length);
}

void to_write(int fd) {
  if (!changed) return;
  char path[PATH_MAX], kept[PATH_MAX];
  struct stat now;
  if (!path_of(fd, path) || fstat(fd, &now) != 0 || strstr(path, "-shm")) return;
  pthread_mutex_lock(&turn);
  int index = 0;
  while (index < changes && strcmp(changed[index].path, path) != 0) index++;
  if (index == changes) {
    must(changes < MOST);
    struct changed *entry = &changed[changes++];
    strcpy(entry->path, path);
    entry->kept = now.st_size ? ++files : 0;
    if (entry->kept) {
      path_of_kept(kept, entry->kept);
      int to = OPEN(kept, O_CREAT | O_TRUNC | O_WRONLY);
      must(to >= 0);
      /* By its own descriptor: to close another one would end SQLite's locks. */
      copy(fd, to);
      close(to);
    }
  }
  pthread_mutex_unlock(&turn);
}

static int is_in(const char *path, const char *parent) {
  size_t length = strlen(parent);
  return strncmp(path, parent, length) == 0 && path[length] == '/' && !strchr(path + length + 1, '/');
}

void synced(int fd) {
  if (!changed) return;
  char path[PATH_MAX];
  if (!path_of(fd, path)) return;
  pthread_mutex_lock(&turn);
  for (int index = 0; index < changes; index++)
    if (strcmp(changed[index].path, path) == 0) changed[index--] = changed[--changes];
  int left = 0;
  for (int index = 0; index < names; index++)
    if (!is_in(named[index].path, path)) named[left++] = named[index];
  names = left;
  pthread_mutex_unlock(&turn);
}

static void expect(enum act act, const char *path, const char *from) {
  struct stat now;
  is_pending = 0;
  if (!changed || strstr(path, "-shm")) return;
  int is_there = lstat(path, &now) == 0;
  if (act == MADE && is_there) return;
  pending = (struct named){.act = act, .is_folder = is_there && S_ISDIR(now.st_mode)};
  strncpy(pending.path, path, PATH_MAX - 1);
  if (from) strncpy(pending.from, from, PATH_MAX - 1);
  if (is_there && !pending.is_folder) {
    char kept[PATH_MAX];
    pthread_mutex_lock(&turn);
    pending.kept = ++files;
    pthread_mutex_unlock(&turn);
    path_of_kept(kept, pending.kept);
    must(link(path, kept) == 0);
  }
  is_pending = 1;
}

void to_make(const char *path) { expect(MADE, path, NULL); }
void to_remove(const char *path) { expect(REMOVED, path, NULL); }
void to_rename(const char *from, const char *to) { expect(RENAMED, to, from); }

void done(void) {
  if (!is_pending) return;
  is_pending = 0;
  pthread_mutex_lock(&turn);
  must(names < MOST);
  named[names++] = pending;
  for (int index = 0; index < changes; index++) {
    if (pending.act == RENAMED && strcmp(changed[index].path, pending.from) == 0)
      strcpy(changed[index].path, pending.path);
    else if (pending.act != MADE && strcmp(changed[index].path, pending.path) == 0)
      changed[index--] = changed[--changes];
  }
  pthread_mutex_unlock(&turn);
}

static void take_back(const struct named *name) {
  char kept[PATH_MAX];
  path_of_kept(kept, name->kept);
  if (name->act == MADE) {
    struct stat now;
    if (lstat(name->path, &now) != 0) return;
    must((S_ISDIR(now.st_mode) ? CALL(int (*)(const char *), rmdir, name->path) : UNLINK(name->path)) == 0);
  } else if (name->act == RENAMED) {
    must(RENAME(name->path, name->from) == 0);
  }
  if (name->kept) must(RENAME(kept, name->path) == 0);
  else if (name->is_folder) must(CALL(int (*)(const char *, mode_t), mkdir, name->path, 0755) == 0);
}

void lose_power(void) {
  pthread_mutex_lock(&turn);
  for (int index = 0; index < changes; index++) {
    int to = OPEN(changed[index].path, O_WRONLY | O_TRUNC);
    must(to >= 0);
    if (!changed[index].kept) continue;
    char kept[PATH_MAX];
    path_of_kept(kept, changed[index].kept);
    int from = OPEN(kept, O_RDONLY);
    must(from >= 0);
    copy(from, to);
  }
  while (names) take_back(&named[--names]);
}
