/* What is on a disk when the power fails: only what was synced. faults.c tells what is done, and does it. */

/* From now on, what is below `folder`: all that is there is synced. */
void watch_power(const char *folder);

/* Before bytes of a file, or its length, are changed. */
void to_write(int fd);
/* A file, or the names in a folder, were synced. */
void synced(int fd);

/* Before names are changed; then done(), unless that failed. */
void to_make(const char *path);
void to_remove(const char *path);
void to_rename(const char *from, const char *to);
void done(void);

/* Takes everything back that was not synced, the last first. The process must end then. */
void lose_power(void);
