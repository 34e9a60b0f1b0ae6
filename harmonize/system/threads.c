/* Shares the pieces of some work out to threads. */

#include <stdatomic.h>
#include <stdint.h>

typedef int Work(const void *arguments, int64_t piece);

/* OpenMP's `GOMP_parallel`: has each of so many threads call a function. */
typedef void Parallel(void (*call)(void *), void *data, unsigned threads, unsigned flags);

typedef struct {
    Work *work;
    const void *arguments;
    int64_t pieces;
    _Atomic int64_t next;
    atomic_int failed;
} Todo;

static void take_pieces(void *data) {
    Todo *todo = data;
    for (int64_t piece; (piece = atomic_fetch_add(&todo->next, 1)) < todo->pieces;)
        if (todo->work(todo->arguments, piece)) atomic_store(&todo->failed, 1);
}

/* Returns 0, or 1 if some piece did not return 0. */
int share_out(Parallel *parallel, unsigned threads, Work *work, const void *arguments,
              int64_t pieces) {
    Todo todo = {.work = work, .arguments = arguments, .pieces = pieces};
    parallel(take_pieces, &todo, threads, 0);
    return todo.failed;
}
