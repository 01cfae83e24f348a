// Preloaded into a program, sets its clock: the file that S2P_CLOCK_FILE names holds one int64_t in
// the machine's byte order, the nanoseconds by which the program's time of day differs from the
// machine's. It is mapped, so a change counts at once, also for waits that have begun: as on a
// machine whose clock is set, a wait until a time of day ends when the clock shows that time. The
// steady clocks stay as they are.
//
// cc -shared -fPIC -O2 -o set_clock.so set_clock.c
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
// How often a wait until a time of day looks whether the clock was set.
#define LOOK (20 * 1000000LL)

static const volatile int64_t* shift;

__attribute__((constructor)) static void map_clock(void) {
  const char* const path = getenv("S2P_CLOCK_FILE");
  const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) abort();
  shift = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, file, 0);
  if (shift == MAP_FAILED) abort();
  close(file);
}

static int64_t to_number(const struct timespec* time) {
  return time->tv_sec * SECOND + time->tv_nsec;
}

static struct timespec to_time(int64_t number) {
  return (struct timespec){number / SECOND, number % SECOND};
}

static int64_t machine_now(void) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  return to_number(&now);
}

static int64_t program_now(void) { return machine_now() + (shift == NULL ? 0 : *shift); }

// The time of the machine's clock until which a wait for `until` may sleep before it looks again.
static struct timespec next_look(int64_t until) {
  const int64_t left = until - program_now();
  return to_time(machine_now() + (left < LOOK ? left : LOOK));
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  if (syscall(SYS_clock_gettime, clock, time) != 0) return -1;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) *time = to_time(program_now());
  return 0;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  const struct timespec now = to_time(program_now());
  *time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) {
  const time_t now = program_now() / SECOND;
  if (result != NULL) *result = now;
  return now;
}

int pthread_cond_timedwait(pthread_cond_t* restrict condition, pthread_mutex_t* restrict mutex,
                           const struct timespec* restrict until) {
  static int (*clockwait)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const struct timespec*);
  if (clockwait == NULL) *(void**)&clockwait = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
  // The C library keeps in this bit whether the condition was made for the steady clock.
  if (condition->__data.__wrefs & 2) return clockwait(condition, mutex, CLOCK_MONOTONIC, until);
  if (program_now() >= to_number(until)) return ETIMEDOUT;
  const struct timespec look = next_look(to_number(until));
  const int result = clockwait(condition, mutex, CLOCK_REALTIME, &look);
  // A wake without a cause, which a condition may always have: the caller looks and waits again.
  return result == ETIMEDOUT && program_now() < to_number(until) ? 0 : result;
}

// Abseil waits with the system call itself.
long syscall(long number, ...) {
  static long (*next)(long, ...);
  if (next == NULL) *(void**)&next = dlsym(RTLD_NEXT, "syscall");
  long a[6];
  va_list arguments;
  va_start(arguments, number);
  for (int i = 0; i < 6; ++i) a[i] = va_arg(arguments, long);
  va_end(arguments);
  const int command = (int)a[1];
  const struct timespec* const until = (const struct timespec*)a[3];
  if (number != SYS_futex || (command & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET ||
      !(command & FUTEX_CLOCK_REALTIME) || until == NULL) {
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  while (program_now() < to_number(until)) {
    const struct timespec look = next_look(to_number(until));
    const long result = next(number, a[0], a[1], a[2], &look, a[4], a[5]);
    if (result == 0 || errno != ETIMEDOUT) return result;
  }
  errno = ETIMEDOUT;
  return -1;
}
