#include "stage.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../crash_point.h"

bool stage_has_block(struct stage *stage)
{
    return block_find(&family, stage->payload, stage->serial) != NULL;
}

enum slot_state stage_state(uint32_t tag)
{
    struct peek seen = peek_at(&family, tag_index(tag));
    return seen.tag == tag ? seen.state : SLOT_FREE;
}

void stage_own_block(struct stage *stage)
{
    struct handle handle = family_block(100);
    stage->payload = handle.offset;
    stage->serial = family_serial(handle);
}

void stage_adopt(void *with)
{
    struct stage *stage = with;
    while (!stage->go)
        wait_a_little();
    stage->pid = getpid();
    enum status status = table_adopt(&family, stage->tag);
    if (status == STATUS_OK)
        stage_own_block(stage);
    stage->adopted = 1 + (int)status;
    sleep_on(NULL);
}

static void act_and_stop(void *with)
{
    struct stage *stage = with;
    crash_point_arm_stop(stage->point, 1);
    stage->act(stage);
}

pid_t stage_stop(const char *point, void (*act)(struct stage *stage), struct stage *stage)
{
    stage->point = point;
    stage->act = act;
    pid_t pid = child_start(act_and_stop, stage);
    int status;
    CHECK_EQUAL(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    return pid;
}

void stage_let_go_on(pid_t pid)
{
    kill(pid, SIGCONT);
    CHECK_EQUAL(child_end(pid), 0);
}

void stage_reap_dead(struct stage *stage)
{
    (void)stage;
    table_reap_dead(&family);
}

void stage_abandon(struct stage *stage)
{
    table_abandon(&family, stage->tag);
}
