/* The system-mode half of an x86 CPU, on top of Unicorn 2.1.4's TCG.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Unicorn is QEMU's translator with the board removed. Its library exports QEMU's internals and refers to
 * them through its own GOT, so a library that is loaded RTLD_GLOBAL before it replaces any of them by
 * defining the same name. This file supplies what Unicorn leaves out of a PC's CPU:
 *
 *   - hardware interrupts with the vector that the interrupt controller gives, NMI, A20, reset
 *   - exceptions delivered natively (a nested fault may longjmp, so no Python frame may be in between)
 *   - SYSCALL, SYSENTER, CPUID and the MSRs that depend on the machine
 *   - I/O ports: straight to Python handlers, with IOPL and the TSS bitmap, strings moved whole
 *   - memory: RAM, ROM and everything else, with fast stores and exact self-modifying code
 *   - kicks: another thread or a signal makes the CPU leave its loop at an exact boundary
 *
 * Every replaced function asks whether the engine is one of ours; other users of Unicorn in the process
 * see the stock behaviour. The GIL is held while the guest runs: a port access is then one vectorcall, and
 * the watcher below, which needs no GIL, kicks the CPU out of its loop when a host event or timer is due.
 *
 * The offsets are those of the 2.1.4 headers for the x86-64 target on an LP64 host; the package refuses any
 * other version, and checks itself with a small guest program at start-up.
 */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ------------------------------------------------------------------ layout of Unicorn 2.1.4 --------- */

enum {
    UC_CPU = 0x1b8, UC_TCG_CTX = 0x300, UC_STOP_REQUEST = 0x56d, UC_QUIT_REQUEST = 0x56e,
    UC_INVALID_ERROR = 0x590, UC_NO_EXIT_REQUEST = 0x7f2, UC_NESTED_LEVEL = 0x39f8,

    CS_CREATED = 0x10, CS_STOP = 0x11, CS_STOPPED = 0x12, CS_EXIT_REQUEST = 0x15, CS_INTERRUPT_REQUEST = 0x1c,
    CS_TB_JMP_CACHE = 0x138, CS_MEM_IO_PC = 0x8178, CS_TRACE = 0x8188, CS_CLUSTER = 0x8194, CS_HALTED = 0x8198, CS_EXCEPTION_INDEX = 0x81a0, CS_CLASS = 0x81b0,
    CS_TLB = 0x81c0, CS_ICOUNT_DECR = 0x8a40, CS_ENV = 0x8a50,

    ENV_RIP = 0x80, ENV_EFLAGS = 0x88, ENV_DF = 0xac, ENV_HFLAGS = 0xb0, ENV_SEGS = 0xb8, ENV_TR = 0x160,
    ENV_CR = 0x1a8, ENV_EFER = 0x250, ENV_SYSENTER_CS = 0x12c0, ENV_SYSENTER_ESP = 0x12c8,
    ENV_SYSENTER_EIP = 0x12d0, ENV_STAR = 0x12d8, ENV_LSTAR = 0x12e8, ENV_CSTAR = 0x12f0, ENV_FMASK = 0x12f8,
    ENV_ERROR_CODE = 0x1508, ENV_EXCEPTION_IS_INT = 0x150c,
    ENV_EXCEPTION_NEXT_RIP = 0x1510, ENV_UC = 0x1b58, ENV_BYTES = 0x1b58,

    TLB_DESC = 0x20, TLB_DESC_BYTES = 696, DESC_VTABLE = 0x30, DESC_IOTLB = 0x2b0,
    TLB_FAST = 0x850, TLB_FAST_BYTES = 16, TLB_ENTRY_BYTES = 64, TLB_VICTIMS = 8, MMU_MODES = 3,
    ENTRY_READ = 0, ENTRY_WRITE = 8, ENTRY_CODE = 16, ENTRY_ADDEND = 32,

    REGION_RAM_BLOCK = 0x8, REGION_UC = 0x80,           /* fields of MemoryRegion */
    TCG_CPU_ENV = 0x98f0,                   /* field of TCGContext */
    TB_PC = 0x0, TB_CS_BASE = 0x8, TB_FLAGS = 0x10, TB_CFLAGS = 0x18, TB_TRACE = 0x1c, TB_CODE = 0x20,
    SEGMENT_BYTES = 24, SEGMENT_BASE = 8, SEGMENT_LIMIT = 16, SEGMENT_FLAGS = 20,
};

#define AT(base, offset) ((void *)((uint8_t *)(base) + (offset)))
#define U8(base, offset) (*(uint8_t *)AT(base, offset))
#define U16(base, offset) (*(uint16_t *)AT(base, offset))
#define U32(base, offset) (*(uint32_t *)AT(base, offset))
#define U64(base, offset) (*(uint64_t *)AT(base, offset))

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R11 = 11 };
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

#define TLB_INVALID (1ull << 11)
#define TLB_NOTDIRTY (1ull << 10)
#define TLB_MMIO (1ull << 9)
#define TLB_DISCARD_WRITE (1ull << 6)

enum { INTERRUPT_HARD = 0x2, INTERRUPT_SMI = 0x40, INTERRUPT_NMI = 0x200 };
enum { INTERRUPT_SAVED = INTERRUPT_HARD | INTERRUPT_SMI | INTERRUPT_NMI };
enum { EXCP_INTERRUPT = 0x10000, EXCP_HLT = 0x10001, EXCP_DEBUG = 0x10002, EXCP_HALTED = 0x10003 };
enum { EXC_UD = 6, EXC_GP = 13 };
enum { ACCESS_LOAD, ACCESS_STORE, ACCESS_FETCH };
enum { MMU_KSMAP, MMU_USER, MMU_KNOSMAP };

#define HF_CPL 3u
#define HF_CS32 (1u << 4)
#define HF_LMA (1u << 14)
#define HF_CS64 (1u << 15)
#define HF_SMAP (1u << 23)
#define EFLAGS_IOPL_SHIFT 12
#define EFLAGS_TF 0x100u
#define EFLAGS_RF 0x10000u
#define EFLAGS_VM 0x20000u
#define EFLAGS_IF 0x200u
#define EFLAGS_AC 0x40000u
#define EFLAGS_SYSTEM 0x257700u            /* TF IF IOPL NT RF AC VIF... ID: not among the lazily computed ones */
#define CR4_OSXSAVE (1u << 18)

enum { UC_ARCH_X86 = 4, UC_MODE_64 = 1 << 3, UC_PROT_ALL = 7, UC_PROT_READ = 1, UC_PROT_EXEC = 4, UC_ERR_NOMEM = 1 };
enum { UC_HOOK_INTR = 1 << 0, UC_HOOK_MEM_WRITE_PROT = 1 << 8, UC_HOOK_INSN_INVALID = 1 << 14 };
#define UC_CTL_WRITE(type, args) ((type) | (1 << 30) | ((args) << 26))
enum { UC_CTL_USE_EXITS = 4, UC_CTL_CPU_MODEL = 7, UC_CTL_TCG_BUFFER_SIZE = 13 };
enum { CODE_BUFFER_BYTES = 64 << 20 };     /* translated code; it is thrown away when full */

/* ------------------------------------------------------------------ the originals ------------------- */

static struct {
    int (*open)(int, int, void **);
    int (*close)(void *);
    int (*ctl)(void *, int, ...);
    int (*hook_add)(void *, size_t *, int, void *, void *, uint64_t, uint64_t, ...);
    int (*mem_map_ptr)(void *, uint64_t, size_t, uint32_t, void *);
    int (*mem_protect)(void *, uint64_t, size_t, uint32_t);
    int (*mem_unmap)(void *, uint64_t, size_t);
    int (*mmio_map)(void *, uint64_t, size_t, void *, void *, void *, void *);
    int (*reg_read)(void *, int, void *);
    const char *(*strerror)(int);

    int (*cpu_exec)(void *, void *);
    bool (*tlb_fill)(void *, uint64_t, int, int, int, bool, uintptr_t);
    void (*tlb_flush)(void *);
    void (*tb_flush)(void *);
    void (*unprotect_code)(void *, uint64_t);
    void *(*region_ram_ptr)(void *);
    uint64_t (*region_ram_addr)(void *);
    void *(*tlb_vaddr_to_host)(void *, uint64_t, int, int);
    void (*tlb_reset_dirty)(void *, uint64_t, uint64_t);
    void (*tlb_reset_dirty_by_vaddr)(void *, uint64_t, uint64_t);
    void (*tb_invalidate)(void *, uint64_t, uint64_t);
    uint64_t (*ram_addr_from_host)(void *, void *);
    void (*memory_unmap)(void *, void *);
    void *(*memory_map_ptr)(void *, uint64_t, size_t, uint32_t, void *);
    void *(*memory_map_io)(void *, uint64_t, size_t, void *, void *, void *, void *);
    void (*add_to_dispatch)(void *, void *, void *);
    void *(*find_memory_mapping)(void *, uint64_t);
    bool (*exec_interrupt)(void *, int);
    int (*pending_interrupt)(void *, int);
    void (*do_interrupt)(void *);
    void (*hardirq)(void *, int, int);
    void (*svm_check)(void *, uint32_t, uint64_t, uintptr_t);
    void (*reset_request)(void *);
    void (*raise_interrupt)(void *, int, int);
    void (*into)(void *, int);
    void (*raise_err)(void *, int, int, uintptr_t);
    uint64_t (*read_eflags)(void *);
    void (*write_eflags)(void *, uint64_t, uint32_t);
    void (*update_hflags)(void *);
    void (*update_fp_status)(void *);
    void (*update_mxcsr_status)(void *);
    void (*update_dr7)(void *, uint32_t);
    uint64_t (*get_tsc)(void *);
    void (*cpu_exit)(void *);
    bool (*restore_state)(void *, uintptr_t, bool);
    void (*loop_exit)(void *);
    uint32_t (*ldub_code)(void *, uint64_t);
    uint32_t (*ldub_mmuidx)(void *, uint64_t, int, uintptr_t);
    uint32_t (*lduw_mmuidx)(void *, uint64_t, int, uintptr_t);
    uint32_t (*ldl_mmuidx)(void *, uint64_t, int, uintptr_t);
    uint64_t (*ldq_mmuidx)(void *, uint64_t, int, uintptr_t);
    void (*stb_mmuidx)(void *, uint64_t, uint32_t, int, uintptr_t);
    void (*stw_mmuidx)(void *, uint64_t, uint32_t, int, uintptr_t);
    void (*stl_mmuidx)(void *, uint64_t, uint32_t, int, uintptr_t);
    void (*stq_mmuidx)(void *, uint64_t, uint64_t, int, uintptr_t);
    void (*set_a20)(void *, int);
    void (*cpuid)(void *, uint32_t, uint32_t, uint32_t *, uint32_t *, uint32_t *, uint32_t *);
    void *(*lookup_tb_ptr)(void *);
    void *check_exit_request;
    void (*gen_call)(void *, void *, void *, int, void **);
    void (*gen_exit_tb)(void *, void *, unsigned);
    void (*gen_op1)(void *, int, uintptr_t);
    void (*gen_op3)(void *, int, uintptr_t, uintptr_t, uintptr_t);
    void *(*gen_new_label)(void *);
    void (*gen_brcondi_i32)(void *, int, uintptr_t, int32_t, void *);
    void *(*temp_new)(void *, int, bool);
    void (*temp_free)(void *, void *);
    void (*helper_syscall)(void *, int);
    void (*helper_sysenter)(void *, int);
    void (*helper_cpuid)(void *);
    void (*rdmsr)(void *);
    void (*wrmsr)(void *);
    uint8_t (*inb)(void *, uint32_t, uintptr_t);
    uint16_t (*inw)(void *, uint32_t, uintptr_t);
    uint32_t (*inl)(void *, uint32_t, uintptr_t);
    void (*outb)(void *, uint32_t, uint8_t, uintptr_t);
    void (*outw)(void *, uint32_t, uint16_t, uintptr_t);
    void (*outl)(void *, uint32_t, uint32_t, uintptr_t);
} unicorn;

static const struct { const char *symbol; void *slot; } symbols[] = {
    {"uc_open", &unicorn.open}, {"uc_close", &unicorn.close}, {"uc_ctl", &unicorn.ctl},
    {"uc_hook_add", &unicorn.hook_add}, {"uc_mem_map_ptr", &unicorn.mem_map_ptr},
    {"uc_mem_protect", &unicorn.mem_protect}, {"uc_mem_unmap", &unicorn.mem_unmap}, {"uc_mmio_map", &unicorn.mmio_map},
    {"uc_reg_read", &unicorn.reg_read}, {"uc_strerror", &unicorn.strerror},
    {"cpu_exec_x86_64", &unicorn.cpu_exec}, {"x86_cpu_tlb_fill_x86_64", &unicorn.tlb_fill},
    {"tlb_flush_x86_64", &unicorn.tlb_flush}, {"tb_flush_x86_64", &unicorn.tb_flush},
    {"tlb_unprotect_code_x86_64", &unicorn.unprotect_code}, {"tlb_vaddr_to_host_x86_64", &unicorn.tlb_vaddr_to_host},
    {"tlb_reset_dirty_x86_64", &unicorn.tlb_reset_dirty},
    {"tlb_reset_dirty_by_vaddr_x86_64", &unicorn.tlb_reset_dirty_by_vaddr},
    {"tb_invalidate_phys_range_x86_64", &unicorn.tb_invalidate},
    {"qemu_ram_addr_from_host_x86_64", &unicorn.ram_addr_from_host},
    {"memory_region_get_ram_addr_x86_64", &unicorn.region_ram_addr},
    {"memory_region_get_ram_ptr_x86_64", &unicorn.region_ram_ptr},
    {"memory_unmap_x86_64", &unicorn.memory_unmap}, {"memory_map_ptr_x86_64", &unicorn.memory_map_ptr},
    {"memory_map_io_x86_64", &unicorn.memory_map_io}, {"flatview_add_to_dispatch_x86_64", &unicorn.add_to_dispatch},
    {"find_memory_mapping_x86_64", &unicorn.find_memory_mapping},
    {"x86_cpu_exec_interrupt_x86_64", &unicorn.exec_interrupt},
    {"x86_cpu_pending_interrupt_x86_64", &unicorn.pending_interrupt},
    {"x86_cpu_do_interrupt_x86_64", &unicorn.do_interrupt},
    {"do_interrupt_x86_hardirq_x86_64", &unicorn.hardirq},
    {"cpu_svm_check_intercept_param_x86_64", &unicorn.svm_check},
    {"qemu_system_reset_request", &unicorn.reset_request},
    {"helper_raise_interrupt_x86_64", &unicorn.raise_interrupt},
    {"helper_into_x86_64", &unicorn.into}, {"raise_exception_err_ra_x86_64", &unicorn.raise_err},
    {"helper_read_eflags_x86_64", &unicorn.read_eflags},
    {"helper_write_eflags_x86_64", &unicorn.write_eflags},
    {"x86_update_hflags_x86_64", &unicorn.update_hflags}, {"cpu_exit", &unicorn.cpu_exit},
    {"update_fp_status_x86_64", &unicorn.update_fp_status},
    {"update_mxcsr_status_x86_64", &unicorn.update_mxcsr_status},
    {"cpu_x86_update_dr7_x86_64", &unicorn.update_dr7}, {"cpu_get_tsc_x86_64", &unicorn.get_tsc},
    {"cpu_restore_state_x86_64", &unicorn.restore_state}, {"cpu_ldub_code_x86_64", &unicorn.ldub_code},
    {"cpu_loop_exit_noexc_x86_64", &unicorn.loop_exit},
    {"cpu_ldub_mmuidx_ra_x86_64", &unicorn.ldub_mmuidx}, {"cpu_lduw_mmuidx_ra_x86_64", &unicorn.lduw_mmuidx},
    {"cpu_ldl_mmuidx_ra_x86_64", &unicorn.ldl_mmuidx}, {"cpu_ldq_mmuidx_ra_x86_64", &unicorn.ldq_mmuidx},
    {"cpu_stb_mmuidx_ra_x86_64", &unicorn.stb_mmuidx}, {"cpu_stw_mmuidx_ra_x86_64", &unicorn.stw_mmuidx},
    {"cpu_stl_mmuidx_ra_x86_64", &unicorn.stl_mmuidx}, {"cpu_stq_mmuidx_ra_x86_64", &unicorn.stq_mmuidx},
    {"x86_cpu_set_a20_x86_64", &unicorn.set_a20},
    {"cpu_x86_cpuid_x86_64", &unicorn.cpuid}, {"helper_lookup_tb_ptr_x86_64", &unicorn.lookup_tb_ptr},
    {"helper_check_exit_request_x86_64", &unicorn.check_exit_request},
    {"tcg_gen_callN_x86_64", &unicorn.gen_call}, {"tcg_gen_exit_tb_x86_64", &unicorn.gen_exit_tb},
    {"tcg_gen_op1_x86_64", &unicorn.gen_op1}, {"tcg_gen_op3_x86_64", &unicorn.gen_op3},
    {"gen_new_label_x86_64", &unicorn.gen_new_label}, {"tcg_gen_brcondi_i32_x86_64", &unicorn.gen_brcondi_i32},
    {"tcg_temp_new_internal_x86_64", &unicorn.temp_new}, {"tcg_temp_free_internal_x86_64", &unicorn.temp_free},
    {"helper_syscall_x86_64", &unicorn.helper_syscall}, {"helper_sysenter_x86_64", &unicorn.helper_sysenter},
    {"helper_cpuid_x86_64", &unicorn.helper_cpuid}, {"helper_rdmsr_x86_64", &unicorn.rdmsr},
    {"helper_wrmsr_x86_64", &unicorn.wrmsr}, {"cpu_inb_x86_64", &unicorn.inb}, {"cpu_inw_x86_64", &unicorn.inw},
    {"cpu_inl_x86_64", &unicorn.inl}, {"cpu_outb_x86_64", &unicorn.outb}, {"cpu_outw_x86_64", &unicorn.outw},
    {"cpu_outl_x86_64", &unicorn.outl},
};

/* ------------------------------------------------------------------ the engine ---------------------- */

enum { NOT_STRINGS = 4096, REUSE_ELEMENTS = 32, DEVICE_ELEMENTS = 4, REGION_CACHE = 1024 };
enum { WIDTHS = 3 };                        /* 1, 2 and 4 bytes */
enum { CHUNK_PAGES = 1 << 18, CHUNKS = 1 << 17 };       /* 1 GiB each: all host addresses, 47 bits */

struct piece { uint64_t start, end; void *region; };    /* of the memory map, with Unicorn's object for it */
struct cpuid_override { uint32_t leaf, keep[4], set[4]; };

typedef struct Engine {
    PyObject_HEAD
    struct Engine *next;
    void *uc, *cs, *env;
    uint8_t **page_states;                  /* chunks, by host address: a byte for each page that was ever mapped */
    PyObject *readers[WIDTHS], *writers[WIDTHS], *offsets[WIDTHS];      /* lists of 65536, see PortSpace */
    PyObject *ports, *string_readers, *string_writers;
    Py_buffer string_ports;                 /* 65536 bytes: bit 0 strings in, bit 1 strings out */
    PyObject *acknowledge, *load, *store;   /* INTA cycle; memory that is not plain RAM */
    PyObject *load_run, *store_run, *copy_run;
    struct cpuid_override *cpuid;
    size_t cpuid_count;
    uint64_t apic_base, int_rip;
    uint64_t ticks;                         /* time-stamp counter: its value while stopped, else host's offset */
    bool ticks_run;
    struct piece *pieces;
    size_t piece_count;
    bool map_changing, map_incomplete;      /* change_map is at work; more changes are to come */
    bool map_complete;                      /* the last change is in Unicorn's page table */
    struct { uint64_t page; void *region; } regions[REGION_CACHE];  /* of pages used lately */
    uintptr_t not_strings[NOT_STRINGS];     /* host addresses of accesses that are not REP MOVS or STOS */
    void *tcg, *exit_label;                 /* of the block being translated */
    bool triple_fault, running;
    PyObject *error[3];                     /* the first exception raised in a callback */
    atomic_int kicked;

    pthread_t watcher;
    bool watching;
    int watch_fd, control_fd;
    atomic_int fired, quit;
} Engine;

static Engine *engines;

static inline Engine *of_uc(void *uc)
{
    for (Engine *e = engines; e; e = e->next)
        if (e->uc == uc) return e;
    return NULL;
}
static inline Engine *of_cs(void *cs)
{
    for (Engine *e = engines; e; e = e->next)
        if (e->cs == cs) return e;
    return NULL;
}
static inline Engine *of_env(void *env) { return of_uc(*(void **)AT(env, ENV_UC)); }

static inline int width_index(int width) { return width >> 1; }         /* 1 2 4 -> 0 1 2 */

/* Make generated code leave its chain of blocks, so that interrupt_request is looked at. */
static inline void break_chain(Engine *e) { U16(e->cs, CS_ICOUNT_DECR + 2) = 0xffff; }

static void kick(Engine *e)
{
    atomic_store(&e->kicked, 1);
    unicorn.cpu_exit(e->cs);
}

/* A Python callback raised: keep the first exception, stop the machine, let run() raise it again. */
static void callback_failed(Engine *e)
{
    if (e->error[0])
        PyErr_Clear();
    else
        PyErr_Fetch(&e->error[0], &e->error[1], &e->error[2]);
    kick(e);
}

/* ------------------------------------------------------------------ interrupts and exceptions ------- */

bool x86_cpu_exec_interrupt_x86_64(void *cs, int request)
{
    Engine *e = of_cs(cs);
    if (!e || unicorn.pending_interrupt(cs, request) != INTERRUPT_HARD)
        return unicorn.exec_interrupt(cs, request);
    unicorn.svm_check(e->env, 0x60 /* INTR intercept */, 0, 0);
    U32(cs, CS_INTERRUPT_REQUEST) &= ~INTERRUPT_HARD;   /* the controller may ask again during the cycle */
    PyObject *result = PyObject_CallNoArgs(e->acknowledge);
    if (!result) {
        callback_failed(e);
        return false;
    }
    int vector = (int)PyLong_AsLong(result) & 0xff;
    Py_DECREF(result);
    unicorn.hardirq(e->env, vector, 1);
    return true;
}

/* INT n. Unicorn leaves the block by longjmp and delivers the interrupt from its main loop; here it is
 * delivered on the spot, and the block ends behind the call (tcg_gen_callN). EIP is that of the instruction,
 * where a fault during delivery has to restart. */
void helper_raise_interrupt_x86_64(void *env, int vector, int next_eip_addend)
{
    Engine *e = of_env(env);
    if (!e) {
        unicorn.raise_interrupt(env, vector, next_eip_addend);
        return;
    }
    unicorn.svm_check(env, 0x75 /* software interrupt intercept */, 0, 0);
    U32(e->cs, CS_EXCEPTION_INDEX) = (uint32_t)vector;
    U32(env, ENV_ERROR_CODE) = 0;
    U32(env, ENV_EXCEPTION_IS_INT) = 1;
    U64(env, ENV_EXCEPTION_NEXT_RIP) = U64(env, ENV_RIP) + next_eip_addend;
    unicorn.do_interrupt(e->cs);
    U32(e->cs, CS_EXCEPTION_INDEX) = (uint32_t)-1;
}

/* INTO goes the long way. Unicorn moves EIP past the instruction before it reports the interrupt, so the
 * address is kept here and put back in on_interrupt. */
void helper_into_x86_64(void *env, int next_eip_addend)
{
    Engine *e = of_env(env);
    if (e) e->int_rip = U64(env, ENV_RIP);
    unicorn.into(env, next_eip_addend);
    if (e) e->int_rip = UINT64_MAX;         /* no overflow, no interrupt */
}

static void on_interrupt(void *uc, uint32_t vector, void *data)
{
    Engine *e = data;
    (void)uc, (void)vector;
    if (U32(e->env, ENV_EXCEPTION_IS_INT) && e->int_rip != UINT64_MAX) {
        U64(e->env, ENV_RIP) = e->int_rip;
        e->int_rip = UINT64_MAX;
    }
    unicorn.do_interrupt(e->cs);
}

static bool on_invalid_instruction(void *uc, void *data)
{
    (void)uc;
    unicorn.do_interrupt(((Engine *)data)->cs);
    return true;
}

/* Called on a fault during the delivery of a double fault: the processor shuts down. */
void qemu_system_reset_request(void *uc)
{
    Engine *e = of_uc(uc);
    if (e)
        e->triple_fault = true;
    else
        unicorn.reset_request(uc);
}

/* ------------------------------------------------------------------ SYSCALL, SYSENTER, MSRs, CPUID -- */

enum {
    DESC_G = 1 << 23, DESC_B = 1 << 22, DESC_L = 1 << 21, DESC_P = 1 << 15, DESC_S = 1 << 12,
    DESC_CODE = 1 << 11, DESC_RW = 1 << 9, DESC_A = 1 << 8,
};

static void flat_segment(uint8_t *env, int number, uint32_t selector, uint32_t flags)
{
    uint8_t *segment = AT(env, ENV_SEGS + SEGMENT_BYTES * number);
    U32(segment, 0) = selector;
    U64(segment, SEGMENT_BASE) = 0;
    U32(segment, SEGMENT_LIMIT) = 0xffffffff;
    U32(segment, SEGMENT_FLAGS) = DESC_G | DESC_P | DESC_S | DESC_RW | DESC_A | flags;
}

static void enter_kernel(uint8_t *env, uint32_t selector, bool code64)
{
    flat_segment(env, SEG_CS, selector & 0xfffc, DESC_CODE | (code64 ? DESC_L : DESC_B));
    flat_segment(env, SEG_SS, (selector + 8) & 0xfffc, DESC_B);
    unicorn.update_hflags(env);
}

static void clear_eflags(uint8_t *env, uint64_t flags, uint64_t clear)
{
    uint64_t wanted = flags & ~clear;
    unicorn.write_eflags(env, wanted, ~0u);
    U64(env, ENV_EFLAGS) = (U64(env, ENV_EFLAGS) & ~EFLAGS_SYSTEM) | (wanted & EFLAGS_SYSTEM) | 2;
}

/* AMD64 Architecture Programmer's Manual 3, SYSCALL */
void helper_syscall_x86_64(void *env, int length)
{
    if (!of_env(env)) {
        unicorn.helper_syscall(env, length);
        return;
    }
    if (!(U64(env, ENV_EFER) & 1))
        unicorn.raise_err(env, EXC_UD, 0, (uintptr_t)__builtin_return_address(0));
    uint32_t selector = U64(env, ENV_STAR) >> 32 & 0xffff, hflags = U32(env, ENV_HFLAGS);
    uint64_t flags = unicorn.read_eflags(env), next = U64(env, ENV_RIP) + length;
    if (hflags & HF_LMA) {
        U64(env, RCX * 8) = next;
        U64(env, R11 * 8) = flags & ~(uint64_t)EFLAGS_RF;
        clear_eflags(env, flags, U64(env, ENV_FMASK) | EFLAGS_RF);
        enter_kernel(env, selector, true);
        U64(env, ENV_RIP) = hflags & HF_CS64 ? U64(env, ENV_LSTAR) : U64(env, ENV_CSTAR);
    } else {
        U64(env, RCX * 8) = (uint32_t)next;
        clear_eflags(env, flags, EFLAGS_IF | EFLAGS_RF | EFLAGS_VM);
        enter_kernel(env, selector, false);
        U64(env, ENV_RIP) = (uint32_t)U64(env, ENV_STAR);
    }
}

/* Intel SDM 2, SYSENTER */
void helper_sysenter_x86_64(void *env, int length)
{
    if (!of_env(env)) {
        unicorn.helper_sysenter(env, length);
        return;
    }
    uint32_t selector = U32(env, ENV_SYSENTER_CS);
    if (!(selector & 0xfffc))
        unicorn.raise_err(env, EXC_GP, 0, (uintptr_t)__builtin_return_address(0));
    clear_eflags(env, unicorn.read_eflags(env), EFLAGS_IF | EFLAGS_RF | EFLAGS_VM);
    enter_kernel(env, selector, (U32(env, ENV_HFLAGS) & HF_LMA) != 0);
    U64(env, RSP * 8) = U64(env, ENV_SYSENTER_ESP);
    U64(env, ENV_RIP) = U64(env, ENV_SYSENTER_EIP);
}

enum { MSR_APIC_BASE = 0x1b };

void helper_rdmsr_x86_64(void *env)
{
    Engine *e = of_env(env);
    if (e && U32(env, RCX * 8) == MSR_APIC_BASE) {
        U64(env, RAX * 8) = (uint32_t)e->apic_base;
        U64(env, RDX * 8) = e->apic_base >> 32;
    } else {
        unicorn.rdmsr(env);
    }
}

void helper_wrmsr_x86_64(void *env)
{
    Engine *e = of_env(env);
    if (e && U32(env, RCX * 8) == MSR_APIC_BASE)
        e->apic_base = (uint64_t)U32(env, RDX * 8) << 32 | U32(env, RAX * 8);
    else
        unicorn.wrmsr(env);
}

/* The time-stamp counter counts host cycles while the machine's clock runs, and stands still with it. */
static uint64_t ticks(Engine *e) { return e->ticks_run ? __builtin_ia32_rdtsc() + e->ticks : e->ticks; }

uint64_t cpu_get_tsc_x86_64(void *env)
{
    Engine *e = of_env(env);
    return e ? ticks(e) : unicorn.get_tsc(env);
}

static void read_cpuid(Engine *e, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    unicorn.cpuid(e->env, leaf, subleaf, &out[0], &out[1], &out[2], &out[3]);
    for (size_t i = 0; i < e->cpuid_count; i++)
        if (e->cpuid[i].leaf == leaf)
            for (int r = 0; r < 4; r++)
                out[r] = (out[r] & e->cpuid[i].keep[r]) | e->cpuid[i].set[r];
}

void helper_cpuid_x86_64(void *env)
{
    Engine *e = of_env(env);
    if (!e) {
        unicorn.helper_cpuid(env);
        return;
    }
    unicorn.svm_check(env, 0x72 /* CPUID intercept */, 0, (uintptr_t)__builtin_return_address(0));
    uint32_t out[4];
    read_cpuid(e, U32(env, RAX * 8), U32(env, RCX * 8), out);
    U64(env, RAX * 8) = out[0];
    U64(env, RBX * 8) = out[1];
    U64(env, RCX * 8) = out[2];
    U64(env, RDX * 8) = out[3];
}

/* ------------------------------------------------------------------ I/O ports ----------------------- */

static int mmu_index(uint8_t *env)
{
    uint32_t hflags = U32(env, ENV_HFLAGS);
    if ((hflags & HF_CPL) == 3) return MMU_USER;
    return !(hflags & HF_SMAP) || (U64(env, ENV_EFLAGS) & EFLAGS_AC) ? MMU_KNOSMAP : MMU_KSMAP;
}

/* Intel SDM 1, 19.5: with CPL > IOPL, and always in virtual-8086 mode, every port's bit in the TSS's
 * permission map must be clear. Raises #GP otherwise, and does not return then. */
static void check_permission(uint8_t *env, uint32_t port, int width, uintptr_t ra)
{
    uint32_t cpl = U32(env, ENV_HFLAGS) & HF_CPL;
    uint64_t eflags = U64(env, ENV_EFLAGS);
    if (!(U64(env, ENV_CR) & 1)) return;
    if (cpl <= (eflags >> EFLAGS_IOPL_SHIFT & 3) && !(eflags & EFLAGS_VM)) return;
    uint8_t *tr = AT(env, ENV_TR);
    uint32_t flags = U32(tr, SEGMENT_FLAGS), limit = U32(tr, SEGMENT_LIMIT);
    uint32_t type = flags >> 8 & 15;
    if ((flags & DESC_P) && (type == 9 || type == 11) && limit >= 103) {
        int index = U32(env, ENV_HFLAGS) & HF_SMAP ? MMU_KSMAP : MMU_KNOSMAP;
        uint64_t base = U64(tr, SEGMENT_BASE);
        uint32_t map = unicorn.lduw_mmuidx(env, base + 0x66, index, ra) + (port >> 3);
        if (map + 1 <= limit) {
            uint32_t bits = unicorn.lduw_mmuidx(env, base + map, index, ra) >> (port & 7);
            if (!(bits & ((1u << width) - 1))) return;
        }
    }
    unicorn.raise_err(env, EXC_GP, 0, ra);
}

/* A repeated string instruction, decoded from the bytes at RIP. */
struct string {
    uint8_t opcode;                         /* with bit 0 cleared: 6C INS, 6E OUTS, A4 MOVS, AA STOS */
    int width, segment;                     /* of an element in bytes; of the source */
    int address_bits;
    bool code64;
};

/* The instruction is being executed, so its bytes can be fetched again without a fault. */
static bool decode_string(Engine *e, struct string *s)
{
    uint8_t *env = e->env;
    uint32_t hflags = U32(env, ENV_HFLAGS);
    bool code64 = hflags & HF_CS64, code32 = code64 || hflags & HF_CS32, rep = false, wide = false;
    int address_bits = code64 ? 64 : code32 ? 32 : 16, operand = code32 ? 4 : 2, segment = SEG_DS;
    uint64_t rip = U64(env, ENV_SEGS + SEG_CS * SEGMENT_BYTES + SEGMENT_BASE) + U64(env, ENV_RIP);
    for (int i = 0; i < 15; i++) {
        uint8_t byte = (uint8_t)unicorn.ldub_code(env, code64 ? rip + i : (uint32_t)(rip + i));
        if (byte == 0xf3 || byte == 0xf2) rep = true;
        else if (byte == 0x66) operand = code32 ? 2 : 4;
        else if (byte == 0x67) address_bits = address_bits == 32 && !code64 ? 16 : 32;
        else if (byte == 0x26) segment = SEG_ES;
        else if (byte == 0x2e) segment = SEG_CS;
        else if (byte == 0x36) segment = SEG_SS;
        else if (byte == 0x3e) segment = SEG_DS;
        else if (byte == 0x64) segment = SEG_FS;
        else if (byte == 0x65) segment = SEG_GS;
        else if (code64 && (byte & 0xf0) == 0x40) wide = byte & 8;
        else {
            uint8_t opcode = byte & 0xfe;
            if (!rep || (opcode != 0x6c && opcode != 0x6e && opcode != 0xa4 && opcode != 0xaa)) return false;
            int width = !(byte & 1) ? 1 : wide && opcode >= 0xa4 ? 8 : operand;
            *s = (struct string){opcode, width, segment, address_bits, code64};
            return true;
        }
    }
    return false;
}

static uint64_t address_mask(const struct string *s)
{
    return s->address_bits == 64 ? UINT64_MAX : (1ull << s->address_bits) - 1;
}

/* The linear address of the element that an index register points to. */
static uint64_t element_address(Engine *e, const struct string *s, int index, int segment)
{
    uint64_t offset = U64(e->env, index * 8) & address_mask(s);
    bool flat = s->code64 && segment != SEG_FS && segment != SEG_GS;
    uint64_t address = (flat ? 0 : U64(e->env, ENV_SEGS + segment * SEGMENT_BYTES + SEGMENT_BASE)) + offset;
    return s->code64 ? address : (uint32_t)address;
}

/* How many elements from *address* on, in the direction of the instruction, lie in one page and before the
 * index register would wrap. */
static uint64_t elements_in_page(Engine *e, const struct string *s, int index, uint64_t address, bool backward)
{
    uint64_t in_page = address & 4095, offset = U64(e->env, index * 8) & address_mask(s), room, wrap;
    if (in_page + s->width > 4096) return 0;
    if (backward) {
        room = in_page / s->width + 1;
        wrap = offset / s->width + 1;
    } else {
        room = (4096 - in_page) / s->width;
        wrap = s->address_bits == 64 ? room : ((1ull << s->address_bits) - offset) / s->width;
    }
    return room < wrap ? room : wrap;
}

static void add_to_register(Engine *e, const struct string *s, int number, uint64_t change)
{
    uint64_t *reg = AT(e->env, number * 8), mask = address_mask(s), value = (*reg + change) & mask;
    *reg = mask == 0xffff ? (*reg & ~mask) | value : value;
}

/* Whether the IN or OUT that is executing is part of a REP INS/OUTS, and how many elements can go at once:
 * to the end of the page, forward only. */
static bool find_port_string(Engine *e, int width, bool out, uintptr_t ra, struct string *s, uint64_t *address,
                             uint64_t *count)
{
    if (!unicorn.restore_state(e->cs, ra, false) || (int32_t)U32(e->env, ENV_DF) != 1 || !decode_string(e, s)) return false;
    if (s->opcode != (out ? 0x6e : 0x6c)) return false;
    s->width = width;
    int index = out ? RSI : RDI;
    *address = element_address(e, s, index, out ? s->segment : SEG_ES);
    uint64_t room = elements_in_page(e, s, index, *address, false);
    *count = U64(e->env, RCX * 8) & address_mask(s);
    if (*count > room) *count = room;
    return *count > 1;
}

/* All but the last of *moved* elements are done: the instruction's own iteration does the last. */
static void advance_port_string(Engine *e, const struct string *s, uint64_t moved)
{
    add_to_register(e, s, s->opcode == 0x6e ? RSI : RDI, (moved - 1) * s->width);
    add_to_register(e, s, RCX, -(moved - 1));
}

static PyObject *string_handler(PyObject *table, uint32_t port)
{
    PyObject *key = PyLong_FromUnsignedLong(port), *handler = key ? PyDict_GetItem(table, key) : NULL;
    Py_XDECREF(key);
    return handler;
}

/* Move as much of a REP INS as the device has ready. Returns false to take the ordinary way. */
static bool read_string(Engine *e, uint32_t port, int width, uintptr_t ra, uint32_t *first)
{
    struct string s;
    uint64_t address, count;
    if (!find_port_string(e, width, false, ra, &s, &address, &count)) return false;
    uint8_t *host = unicorn.tlb_vaddr_to_host(e->env, address, ACCESS_STORE, mmu_index(e->env));
    PyObject *reader = string_handler(e->string_readers, port);
    if (!host || !reader) return false;     /* no host: device memory, or a page with translated code */
    PyObject *data = PyObject_CallFunction(reader, "in", width, (Py_ssize_t)count);
    if (!data) {
        callback_failed(e);
        return false;
    }
    Py_buffer view;
    bool done = false;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        callback_failed(e);
    } else {
        uint64_t got = (uint64_t)view.len / width;
        if (got > count) got = count;
        if (got) {
            /* The instruction still stores one element at the address it computed before the call, the
             * first one's: what it stores is what is there already. */
            *first = 0;
            memcpy(first, view.buf, width);
            memcpy(host, view.buf, got * width);
            advance_port_string(e, &s, got);
            done = true;
        }
        PyBuffer_Release(&view);
    }
    Py_DECREF(data);
    return done;
}

static bool write_string(Engine *e, uint32_t port, int width, uintptr_t ra)
{
    struct string s;
    uint64_t address, count;
    if (!find_port_string(e, width, true, ra, &s, &address, &count)) return false;
    uint8_t *host = unicorn.tlb_vaddr_to_host(e->env, address, ACCESS_LOAD, mmu_index(e->env));
    PyObject *writer = string_handler(e->string_writers, port);
    if (!host || !writer) return false;
    PyObject *result = PyObject_CallFunction(writer, "iy#", width, host, (Py_ssize_t)(count * width));
    if (!result) {
        callback_failed(e);
        return true;
    }
    long taken = PyLong_AsLong(result) / width;
    Py_DECREF(result);
    if (taken < 1) return false;
    advance_port_string(e, &s, (uint64_t)taken < count ? (uint64_t)taken : count);
    return true;
}

static uint32_t port_in(Engine *e, uint32_t port, int width, uintptr_t ra)
{
    check_permission(e->env, port, width, ra);
    uint32_t first;
    if ((((uint8_t *)e->string_ports.buf)[port] & 1) && read_string(e, port, width, ra, &first)) return first;
    int w = width_index(width);
    PyObject *handler = PyList_GET_ITEM(e->readers[w], port), *result;
    if (handler != Py_None)
        result = PyObject_CallOneArg(handler, PyList_GET_ITEM(e->offsets[w], port));
    else
        result = PyObject_CallMethod(e->ports, "read", "Ii", port, width);
    if (!result) {
        callback_failed(e);
        return 0xffffffff;
    }
    unsigned long value = PyLong_AsUnsignedLongMask(result);
    Py_DECREF(result);
    if (value == (unsigned long)-1 && PyErr_Occurred()) callback_failed(e);
    return (uint32_t)value;
}

static void port_out(Engine *e, uint32_t port, int width, uint32_t value, uintptr_t ra)
{
    check_permission(e->env, port, width, ra);
    if ((((uint8_t *)e->string_ports.buf)[port] & 2) && write_string(e, port, width, ra)) return;
    int w = width_index(width);
    PyObject *handler = PyList_GET_ITEM(e->writers[w], port), *result = NULL;
    if (handler != Py_None) {
        PyObject *number = PyLong_FromUnsignedLong(value);
        PyObject *args[2] = {PyList_GET_ITEM(e->offsets[w], port), number};
        if (number) result = PyObject_Vectorcall(handler, args, 2, NULL);
        Py_XDECREF(number);
    } else {
        result = PyObject_CallMethod(e->ports, "write", "IiI", port, width, value);
    }
    if (result)
        Py_DECREF(result);
    else
        callback_failed(e);
}

#define PORT_FUNCTIONS(suffix, type, width)                                             \
    type cpu_in##suffix##_x86_64(void *uc, uint32_t port, uintptr_t ra)                 \
    {                                                                                   \
        Engine *e = of_uc(uc);                                                          \
        return e ? (type)port_in(e, port & 0xffff, width, ra) : unicorn.in##suffix(uc, port, ra); \
    }                                                                                   \
    void cpu_out##suffix##_x86_64(void *uc, uint32_t port, type value, uintptr_t ra)    \
    {                                                                                   \
        Engine *e = of_uc(uc);                                                          \
        if (e)                                                                          \
            port_out(e, port & 0xffff, width, value, ra);                               \
        else                                                                            \
            unicorn.out##suffix(uc, port, value, ra);                                   \
    }
PORT_FUNCTIONS(b, uint8_t, 1)
PORT_FUNCTIONS(w, uint16_t, 2)
PORT_FUNCTIONS(l, uint32_t, 4)

/* ------------------------------------------------------------------ memory -------------------------- */

static void store(Engine *e, uint64_t address, unsigned size, uint64_t value)
{
    if (size < 8) value &= (1ull << 8 * size) - 1;
    PyObject *result = PyObject_CallFunction(e->store, "KIK", (unsigned long long)address, size,
                                             (unsigned long long)value);
    if (result)
        Py_DECREF(result);
    else
        callback_failed(e);
}

/* A store to ROM: the address space knows whether anything listens there. Handled in any case. */
static bool on_rom_write(void *uc, int type, uint64_t address, int size, int64_t value, void *data)
{
    Engine *e = of_uc(uc);
    (void)type, (void)data;
    if (e) store(e, address, (unsigned)size, (uint64_t)value);
    return true;
}

/* Unicorn builds the page table of physical memory anew, and flushes the TLB, several times for each mapping that
 * comes or goes. The guest does not run in between, so only the last one of a series counts (change_map). */
void flatview_add_to_dispatch_x86_64(void *uc, void *view, void *section)
{
    Engine *e = of_uc(uc);
    if (e && e->map_incomplete) return;
    if (e) e->map_complete = true;
    unicorn.add_to_dispatch(uc, view, section);
}

void tlb_flush_x86_64(void *cs)
{
    Engine *e = of_cs(cs);
    if (!e || !e->map_incomplete) unicorn.tlb_flush(cs);
}

static void *add_piece(void *uc, uint64_t start, uint64_t size, void *region)
{
    Engine *e = of_uc(uc);
    if (!e || !region) return region;
    struct piece *pieces = realloc(e->pieces, (e->piece_count + 1) * sizeof *pieces);
    if (!pieces) Py_FatalError("no memory for the memory map");
    e->pieces = pieces;
    e->pieces[e->piece_count++] = (struct piece){start, start + size, region};
    return region;
}

void *memory_map_ptr_x86_64(void *uc, uint64_t start, size_t size, uint32_t rights, void *host)
{
    return add_piece(uc, start, size, unicorn.memory_map_ptr(uc, start, size, rights, host));
}

void *memory_map_io_x86_64(void *uc, uint64_t start, size_t size, void *load, void *store, void *from, void *to)
{
    return add_piece(uc, start, size, unicorn.memory_map_io(uc, start, size, load, store, from, to));
}

/* Unicorn drops translations, which belong to the memory (below), and flushes page by page, which takes seconds for
 * a large window. Take the mapping away as if no CPU was there: the flush that follows is of everything. */
void memory_unmap_x86_64(void *uc, void *region)
{
    Engine *e = of_uc(uc);
    if (!e) {
        unicorn.memory_unmap(uc, region);
        return;
    }
    for (size_t i = 0; i < e->piece_count; i++)
        if (e->pieces[i].region == region) e->pieces[i] = e->pieces[--e->piece_count];
    *(void **)AT(uc, UC_CPU) = NULL;
    unicorn.memory_unmap(uc, region);
    *(void **)AT(uc, UC_CPU) = e->cs;
}

/* Unicorn asks for the region of an address at each access that is not inline: interrupt frames, TLB misses,
 * devices; and while the map changes, when its page table is not up to date. Regions are whole pages, so the answer
 * is remembered until the map changes. */
void *find_memory_mapping_x86_64(void *uc, uint64_t address)
{
    Engine *e = of_uc(uc);
    if (!e) return unicorn.find_memory_mapping(uc, address);
    uint64_t page = address >> 12, slot = page % REGION_CACHE;
    if (e->regions[slot].region && e->regions[slot].page == page) return e->regions[slot].region;
    void *region = NULL;
    for (size_t i = 0; i < e->piece_count && !region; i++)
        if (address >= e->pieces[i].start && address < e->pieces[i].end) region = e->pieces[i].region;
    if (!e->map_changing) {
        e->regions[slot].region = region;
        e->regions[slot].page = page;
    }
    return region;
}

/* Unicorn's number for a byte of RAM, by which translations are found and dropped. Unicorn gives numbers to
 * mappings: another mapping of the same memory has others, a block that goes leaves its numbers to the next, and
 * once one has gone, numbers of different blocks may overlap. Here it is the host address: translations belong
 * to the memory, wherever the guest sees it, and survive its going out of sight. */
uint64_t qemu_ram_addr_from_host_x86_64(void *uc, void *host)
{
    return of_uc(uc) ? (uint64_t)(uintptr_t)host : unicorn.ram_addr_from_host(uc, host);
}

uint64_t memory_region_get_ram_addr_x86_64(void *region)
{
    if (*(void **)AT(region, REGION_RAM_BLOCK) && of_uc(*(void **)AT(region, REGION_UC)))
        return (uint64_t)(uintptr_t)unicorn.region_ram_ptr(region);
    return unicorn.region_ram_addr(region);
}

struct tlb { uint8_t *table; uint64_t mask; uint8_t *victims, *iotlb; };

static struct tlb tlb_of_mode(void *cs, int mode)
{
    uint8_t *fast = AT(cs, CS_TLB + TLB_FAST + TLB_FAST_BYTES * mode);
    uint8_t *desc = AT(cs, CS_TLB + TLB_DESC + TLB_DESC_BYTES * mode);
    return (struct tlb){*(uint8_t **)AT(fast, 8), U64(fast, 0), AT(desc, DESC_VTABLE),
                        *(uint8_t **)AT(desc, DESC_IOTLB)};
}

/* Loads and stores that helpers make (interrupt frames, descriptors, IRET): straight to RAM when the TLB has
 * the page, as generated code does it. Anything else goes the ordinary way. */
static inline uint8_t *ram_in_tlb(void *env, uint64_t address, unsigned size, int mode, int tag)
{
    if (!of_env(env) || (address & 4095) + size > 4096) return NULL;
    uint8_t *fast = AT(AT(env, -(ptrdiff_t)CS_ENV), CS_TLB + TLB_FAST + TLB_FAST_BYTES * mode);
    uint64_t index = (address >> 12) & (U64(fast, 0) / TLB_ENTRY_BYTES);
    uint8_t *entry = *(uint8_t **)AT(fast, 8) + TLB_ENTRY_BYTES * index;
    return U64(entry, tag) == (address & ~0xfffull) ? (uint8_t *)(uintptr_t)(address + U64(entry, ENTRY_ADDEND)) : NULL;
}

#define HELPER_ACCESS(load, store, result, type)                                                        \
    result cpu_##load##_mmuidx_ra_x86_64(void *env, uint64_t address, int mode, uintptr_t ra)           \
    {                                                                                                   \
        uint8_t *host = ram_in_tlb(env, address, sizeof(type), mode, ENTRY_READ);                       \
        type value;                                                                                     \
        if (!host) return unicorn.load##_mmuidx(env, address, mode, ra);                                \
        memcpy(&value, host, sizeof value);                                                             \
        return value;                                                                                   \
    }                                                                                                   \
    void cpu_##store##_mmuidx_ra_x86_64(void *env, uint64_t address, result value, int mode, uintptr_t ra) \
    {                                                                                                   \
        uint8_t *host = ram_in_tlb(env, address, sizeof(type), mode, ENTRY_WRITE);                      \
        type narrow = (type)value;                                                                      \
        if (host)                                                                                       \
            memcpy(host, &narrow, sizeof narrow);                                                       \
        else                                                                                            \
            unicorn.store##_mmuidx(env, address, value, mode, ra);                                      \
    }
HELPER_ACCESS(ldub, stb, uint32_t, uint8_t)
HELPER_ACCESS(lduw, stw, uint32_t, uint16_t)
HELPER_ACCESS(ldl, stl, uint32_t, uint32_t)
HELPER_ACCESS(ldq, stq, uint64_t, uint64_t)

/* What is known of a page of host memory. */
enum { PAGE_DATA, PAGE_CODE, PAGE_EMPTIED };

/* The state of the page at a host address, or NULL: it was never shown to the guest. */
static inline uint8_t *page_state(Engine *e, uint64_t host)
{
    uint64_t page = host >> 12, chunk = page / CHUNK_PAGES;
    return chunk < CHUNKS && e->page_states[chunk] ? &e->page_states[chunk][page % CHUNK_PAGES] : NULL;
}

static bool make_page_states(Engine *e, uint64_t host, uint64_t size)
{
    for (uint64_t chunk = (host >> 12) / CHUNK_PAGES; chunk <= ((host + size - 1) >> 12) / CHUNK_PAGES; chunk++)
        if (chunk >= CHUNKS || (!e->page_states[chunk] && !(e->page_states[chunk] = calloc(CHUNK_PAGES, 1))))
            return false;
    return true;
}

static void make_data_entry(uint8_t *entry, uint64_t host_page)
{
    uint64_t addend = U64(entry, ENTRY_ADDEND), code = U64(entry, ENTRY_CODE), write = U64(entry, ENTRY_WRITE);
    if (code != UINT64_MAX && (code & ~0xfffull) + addend == host_page) U64(entry, ENTRY_CODE) = UINT64_MAX;
    if (write != UINT64_MAX && (write & ~0xfffull) + addend == host_page && !(write & (TLB_MMIO | TLB_DISCARD_WRITE)))
        U64(entry, ENTRY_WRITE) = write & ~TLB_NOTDIRTY;
}

/* The page at *host_page* is plain data from now on: stores go at full speed, and a later fetch must come
 * through the fill below. */
static void make_data_page(Engine *e, uint64_t host_page)
{
    *page_state(e, host_page) = PAGE_DATA;
    for (int mode = 0; mode < MMU_MODES; mode++) {
        struct tlb tlb = tlb_of_mode(e->cs, mode);
        for (uint64_t at = 0; at <= tlb.mask; at += TLB_ENTRY_BYTES) make_data_entry(tlb.table + at, host_page);
        for (int i = 0; i < TLB_VICTIMS; i++) make_data_entry(tlb.victims + TLB_ENTRY_BYTES * i, host_page);
    }
}

static void forget_code_page(Engine *e, uint64_t host_page)
{
    unicorn.tb_invalidate(e->uc, host_page, host_page + 4096);
    make_data_page(e, host_page);
}

/* A store found no translation left in its page. The first time this is the store that changed the last
 * one, which may be translated again at once (self-modifying code); a second time the page is being reused. */
void tlb_unprotect_code_x86_64(void *uc, uint64_t host)
{
    Engine *e = of_uc(uc);
    if (!e) {
        unicorn.unprotect_code(uc, host);
        return;
    }
    uint8_t *state = page_state(e, host);
    if (state && *state == PAGE_CODE)
        *state = PAGE_EMPTIED;
    else if (state && *state == PAGE_EMPTIED)
        make_data_page(e, host & ~0xfffull);
}

/* One page of REP MOVS or REP STOS, as if done element by element. Overlap in the direction of the copy
 * repeats a pattern, so it is left to a loop. */
static void copy_elements(uint8_t *to, const uint8_t *from, uint64_t count, int width, bool backward)
{
    uint64_t bytes = count * width;
    if (backward) to -= bytes - width, from -= bytes - width;
    bool repeats = backward ? to < from && from < to + bytes : from < to && to < from + bytes;
    if (!repeats) {
        memmove(to, from, bytes);
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = (backward ? count - 1 - i : i) * width;
        memmove(to + at, from + at, width);
    }
}

static void fill_elements(uint8_t *to, uint64_t value, uint64_t count, int width, bool backward)
{
    if (backward) to -= (count - 1) * width;
    if (width == 1) {
        memset(to, (int)value, count);
        return;
    }
    for (uint64_t i = 0; i < count; i++) memcpy(to + i * width, &value, width);
}

/* The host address of a byte that may be stored to, in a page with translated code; NULL for any other. The
 * entry for *address* is in the TLB. */
static uint8_t *code_in_tlb(Engine *e, uint64_t address, int mode)
{
    struct tlb tlb = tlb_of_mode(e->cs, mode);
    uint8_t *entry = tlb.table + TLB_ENTRY_BYTES * ((address >> 12) & (tlb.mask / TLB_ENTRY_BYTES));
    if (U64(entry, ENTRY_WRITE) != ((address & ~0xfffull) | TLB_NOTDIRTY)) return NULL;
    uint64_t host = address + U64(entry, ENTRY_ADDEND);
    return page_state(e, host) ? (uint8_t *)(uintptr_t)host : NULL;
}

/* What is left of the REP MOVS or STOS that is being executed, as far as it stays within its pages. */
struct run { struct string s; uint64_t to, from, count; bool backward; };

/* False if the access at *ra* does not belong to one, or if it has to be done element by element. */
static bool find_run(Engine *e, uintptr_t ra, struct run *run)
{
    struct string *s = &run->s;
    uint32_t slot = (uint32_t)(ra >> 2 ^ ra >> 14) % NOT_STRINGS;
    if (!ra || e->not_strings[slot] == ra) return false;
    if (!unicorn.restore_state(e->cs, ra, false) || !decode_string(e, s) || (s->opcode != 0xa4 && s->opcode != 0xaa)) {
        e->not_strings[slot] = ra;          /* only a hint: code there may be translated anew */
        return false;
    }
    if (U64(e->env, ENV_EFLAGS) & EFLAGS_TF) return false;
    run->backward = (int32_t)U32(e->env, ENV_DF) != 1;
    run->count = U64(e->env, RCX * 8) & address_mask(s);
    run->to = element_address(e, s, RDI, SEG_ES);
    uint64_t room = elements_in_page(e, s, RDI, run->to, run->backward);
    if (run->count > room) run->count = room;
    if (s->opcode == 0xa4) {
        run->from = element_address(e, s, RSI, s->segment);
        room = elements_in_page(e, s, RSI, run->from, run->backward);
        if (run->count > room) run->count = room;
    }
    return run->count > 1;
}

/* The run is done: start the instruction again with what is left. Does not return. */
static void finish_run(Engine *e, const struct run *run)
{
    uint64_t bytes = run->count * run->s.width, distance = run->backward ? -bytes : bytes;
    add_to_register(e, &run->s, RDI, distance);
    if (run->s.opcode == 0xa4) add_to_register(e, &run->s, RSI, distance);
    add_to_register(e, &run->s, RCX, -run->count);
    unicorn.loop_exit(e->cs);
}

/* Whether a move stores what is there already. */
static bool changes_nothing(const struct run *run, const uint8_t *target, const uint8_t *source)
{
    uint64_t before = run->backward ? (run->count - 1) * run->s.width : 0;
    return !memcmp(target - before, source - before, run->count * run->s.width);
}

/* REP MOVS and REP STOS run one element a block. When one of them touches a page for the first time, the
 * rest of the page is moved at once and the instruction started again with what is left; this does not
 * return then. A page with translated code loses it to a long run, rather than block by block: unless a move
 * changes nothing, as when firmware copies itself into shadow RAM again. Device memory goes the ordinary way. */
static void accelerate_string(Engine *e, uint64_t address, int mode, uintptr_t ra)
{
    struct run run = {0};
    uint8_t *env = e->env;
    if (!find_run(e, ra, &run) || ((address ^ run.to) >> 12 && (address ^ run.from) >> 12)) return;
    uint8_t *target = unicorn.tlb_vaddr_to_host(env, run.to, ACCESS_STORE, mode), *code = NULL, *source = NULL;
    if (!target && run.count >= REUSE_ELEMENTS) target = code = code_in_tlb(e, run.to, mode);
    if (!target) return;
    if (run.s.opcode == 0xa4) {
        source = unicorn.tlb_vaddr_to_host(env, run.from, ACCESS_LOAD, mode);
        if (!source) return;
        if (code && changes_nothing(&run, target, source)) finish_run(e, &run);
    }
    if (code) forget_code_page(e, (uint64_t)(uintptr_t)code & ~0xfffull);
    if (source)
        copy_elements(target, source, run.count, run.s.width, run.backward);
    else
        fill_elements(target, U64(env, RAX * 8), run.count, run.s.width, run.backward);
    finish_run(e, &run);
}

/* -- device memory: everything that is not RAM or ROM. *data* is the guest physical address of the window's
 * first byte. A device may take a run of a REP MOVS or STOS in one call; a window of video memory does. */

/* A run whose element at *physical* is being moved, upwards, of *size* bytes each. */
static bool find_device_run(Engine *e, uint64_t physical, unsigned size, bool loads, struct run *run)
{
    if (U64(e->env, RCX * 8) < DEVICE_ELEMENTS || !find_run(e, (uintptr_t)U64(e->cs, CS_MEM_IO_PC), run)) return false;
    uint64_t element = loads ? run->from : run->to;
    return (run->s.opcode == 0xa4 || !loads) && !run->backward && run->count >= DEVICE_ELEMENTS &&
           (unsigned)run->s.width == size && !((element ^ physical) & 4095);
}

/* Whether the device took it. */
static bool taken(Engine *e, PyObject *answer)
{
    if (!answer) callback_failed(e);
    bool yes = answer == Py_True;
    Py_XDECREF(answer);
    return yes;
}

static void store_device_run(Engine *e, uint64_t physical, unsigned size)
{
    struct run run = {0};
    uint8_t filled[4096], *source = filled;
    if (!find_device_run(e, physical, size, false, &run)) return;
    if (run.s.opcode == 0xaa)
        fill_elements(filled, U64(e->env, RAX * 8), run.count, run.s.width, false);
    else
        source = unicorn.tlb_vaddr_to_host(e->env, run.from, ACCESS_LOAD, mmu_index(e->env));
    if (!source) return;
    if (taken(e, PyObject_CallFunction(e->store_run, "Ky#", (unsigned long long)physical, source,
                                       (Py_ssize_t)(run.count * run.s.width))))
        finish_run(e, &run);
}

/* The physical address of *to* if it lies in the same window of device memory as *from*, at *physical*, and
 * may be stored to: both are in the TLB. */
static bool address_in_same_window(Engine *e, uint64_t from, uint64_t physical, uint64_t to, uint64_t *address)
{
    struct tlb tlb = tlb_of_mode(e->cs, mmu_index(e->env));
    uint64_t mask = tlb.mask / TLB_ENTRY_BYTES, in = (from >> 12) & mask, out = (to >> 12) & mask;
    uint64_t read = U64(tlb.table, TLB_ENTRY_BYTES * in + ENTRY_READ);
    uint64_t write = U64(tlb.table, TLB_ENTRY_BYTES * out + ENTRY_WRITE);
    uint64_t source = U64(tlb.iotlb, 16 * in), target = U64(tlb.iotlb, 16 * out);
    if ((read ^ from) >> 12 || (write ^ to) >> 12 || (read & 0xfff) != TLB_MMIO || (write & 0xfff) != TLB_MMIO ||
        ((source ^ target) & 0xfff))
        return false;
    *address = physical + (target + to) - (source + from);
    return true;
}

static void load_device_run(Engine *e, uint64_t physical, unsigned size)
{
    struct run run = {0};
    if (!find_device_run(e, physical, size, true, &run)) return;
    uint8_t *target = unicorn.tlb_vaddr_to_host(e->env, run.to, ACCESS_STORE, mmu_index(e->env));
    Py_ssize_t bytes = (Py_ssize_t)(run.count * run.s.width);
    if (!target) {
        uint64_t to;
        if (address_in_same_window(e, run.from, physical, run.to, &to) &&
            taken(e, PyObject_CallFunction(e->copy_run, "KKni", (unsigned long long)physical, (unsigned long long)to,
                                           bytes, run.s.width)))
            finish_run(e, &run);
        return;
    }
    PyObject *data = PyObject_CallFunction(e->load_run, "Kn", (unsigned long long)physical, bytes);
    if (!data) callback_failed(e);
    bool done = data && PyBytes_Check(data) && PyBytes_GET_SIZE(data) == bytes;
    if (done) memcpy(target, PyBytes_AS_STRING(data), (size_t)bytes);
    Py_XDECREF(data);
    if (done) finish_run(e, &run);
}

static uint64_t on_load(void *uc, uint64_t offset, unsigned size, void *data)
{
    Engine *e = of_uc(uc);
    if (!e) return 0;
    uint64_t address = (uintptr_t)data + offset;
    load_device_run(e, address, size);
    PyObject *result = PyObject_CallFunction(e->load, "KI", (unsigned long long)address, size);
    if (!result) {
        callback_failed(e);
        return 0;
    }
    unsigned long long value = PyLong_AsUnsignedLongLongMask(result);
    Py_DECREF(result);
    return value;
}

static void on_store(void *uc, uint64_t offset, unsigned size, uint64_t value, void *data)
{
    Engine *e = of_uc(uc);
    if (!e) return;
    uint64_t address = (uintptr_t)data + offset;
    store_device_run(e, address, size);
    store(e, address, size, value);
}

/* Fast stores. Unicorn treats a store to an executable page as a possible change of code, for ever, which
 * is every page of a guest without NX. Here each RAM page knows whether it holds translated code:
 *   fetch fill       the page becomes a code page: stores to it are checked from now on
 *   data fill        of a page without code: its execute permission is hidden (a later fetch comes here
 *                    first), and stores go at full speed
 *   store fill       of a code page through a mapping that cannot execute: the page is being recycled, so its
 *                    translations are dropped and it becomes data */
static void fill_entry(Engine *e, uint64_t address, int access, int mode)
{
    struct tlb tlb = tlb_of_mode(e->cs, mode);
    uint64_t index = (address >> 12) & (tlb.mask / TLB_ENTRY_BYTES), page = address & ~0xfffull;
    uint8_t *entry = tlb.table + TLB_ENTRY_BYTES * index;
    uint64_t write = U64(entry, ENTRY_WRITE), read = U64(entry, ENTRY_READ);
    if ((write != UINT64_MAX && write & TLB_MMIO) || (read != UINT64_MAX && read & TLB_MMIO)) return;
    bool rom = write != UINT64_MAX && write & TLB_DISCARD_WRITE;
    uint64_t host_page = page + U64(entry, ENTRY_ADDEND);
    uint8_t *state = page_state(e, host_page);
    if (!state) return;
    if (access == ACCESS_FETCH) {
        if (*state == PAGE_DATA) {
            *state = PAGE_CODE;
            unicorn.tlb_reset_dirty(e->cs, host_page, 4096);
        }
        return;
    }
    bool executable = U64(entry, ENTRY_CODE) != UINT64_MAX;
    if (*state != PAGE_DATA && access == ACCESS_STORE && !executable && !rom) forget_code_page(e, host_page);
    if (*state == PAGE_DATA) {
        U64(entry, ENTRY_CODE) = UINT64_MAX;
        if (write != UINT64_MAX) U64(entry, ENTRY_WRITE) = write & ~TLB_NOTDIRTY;
    } else if (!executable) {
        U64(entry, ENTRY_CODE) = page | TLB_INVALID;    /* keeps Unicorn from opening fast stores itself */
    }
}

static bool entry_is_present(Engine *e, uint64_t address, int access, int mode)
{
    struct tlb tlb = tlb_of_mode(e->cs, mode);
    uint8_t *entry = tlb.table + TLB_ENTRY_BYTES * ((address >> 12) & (tlb.mask / TLB_ENTRY_BYTES));
    return (U64(entry, access == ACCESS_STORE ? ENTRY_WRITE : ENTRY_READ) & ~0xfffull) == (address & ~0xfffull);
}

bool x86_cpu_tlb_fill_x86_64(void *cs, uint64_t address, int size, int access, int mode, bool probe, uintptr_t ra)
{
    if (!unicorn.tlb_fill(cs, address, size, access, mode, probe, ra)) return false;
    Engine *e = of_cs(cs);
    if (!e) return true;
    fill_entry(e, address, access, mode);
    if (access != ACCESS_FETCH && ra && !probe) {
        accelerate_string(e, address, mode, ra);
        /* Looking at the instruction may have put its page where this entry was. */
        if (!entry_is_present(e, address, access, mode)) {
            unicorn.tlb_fill(cs, address, size, access, mode, probe, ra);
            fill_entry(e, address, access, mode);
        }
    }
    return true;
}

/* The code buffer is full and all translations are dropped: no page holds code any more. */
void tb_flush_x86_64(void *cs)
{
    unicorn.tb_flush(cs);
    Engine *e = of_cs(cs);
    if (!e) return;
    for (int chunk = 0; chunk < CHUNKS; chunk++)
        if (e->page_states[chunk]) memset(e->page_states[chunk], PAGE_DATA, CHUNK_PAGES);
    unicorn.tlb_flush(cs);
}

/* Called for each block that has been translated. Its pages went through a fetch fill, so their stores are
 * checked already; what is left is to note that they hold code again. */
void tlb_reset_dirty_by_vaddr_x86_64(void *cs, uint64_t start, uint64_t length)
{
    Engine *e = of_cs(cs);
    if (!e) {
        unicorn.tlb_reset_dirty_by_vaddr(cs, start, length);
        return;
    }
    struct tlb tlb = tlb_of_mode(cs, mmu_index(e->env));
    uint64_t last = (start + length - 1) & ~0xfffull;
    for (uint64_t page = start & ~0xfffull; page <= last; page += 4096) {
        uint64_t index = (page >> 12) & (tlb.mask / TLB_ENTRY_BYTES);
        uint64_t tag = U64(tlb.table + TLB_ENTRY_BYTES * index, ENTRY_CODE);
        if ((tag & ~0xfffull) != page || tag & TLB_MMIO) continue;
        uint8_t *state = page_state(e, page + U64(tlb.table + TLB_ENTRY_BYTES * index, ENTRY_ADDEND));
        if (state && *state != PAGE_DATA) *state = PAGE_CODE;
    }
}

/* ------------------------------------------------------------------ generated code ------------------ */

enum { TCG_LD_I32 = 13, TCG_SET_LABEL = 1, TCG_LT = 2, TCG_I32 = 0, TB_EXIT_REQUESTED = 3 };

/* Unicorn calls a function at the head of every block to ask whether to leave. A load, a compare and a
 * branch that is never taken do the same: the head tests the counter's sign, the end has the exit.
 * INT n returns from its call (see above) and leaves the block then. */
void tcg_gen_callN_x86_64(void *tcg, void *function, void *result, int count, void **arguments)
{
    bool interrupt = function == (void *)helper_raise_interrupt_x86_64;
    Engine *e = interrupt || function == unicorn.check_exit_request ? engines : NULL;
    while (e && e->tcg != tcg) e = e->next;
    if (!e || interrupt) {
        unicorn.gen_call(tcg, function, result, count, arguments);
        if (e) unicorn.gen_exit_tb(tcg, NULL, 0);
        return;
    }
    void *counter = unicorn.temp_new(tcg, TCG_I32, false);
    uintptr_t env = (uintptr_t)tcg + U64(tcg, TCG_CPU_ENV), handle = (uintptr_t)counter - (uintptr_t)tcg;
    e->exit_label = unicorn.gen_new_label(tcg);
    unicorn.gen_op3(tcg, TCG_LD_I32, (uintptr_t)counter, env, (uintptr_t)(intptr_t)(CS_ICOUNT_DECR - CS_ENV));
    unicorn.gen_brcondi_i32(tcg, TCG_LT, handle, 0, e->exit_label);
    unicorn.temp_free(tcg, counter);
}

void tcg_gen_exit_tb_x86_64(void *tcg, void *tb, unsigned index)
{
    Engine *e = index == TB_EXIT_REQUESTED ? engines : NULL;
    while (e && e->tcg != tcg) e = e->next;
    if (e && e->exit_label) {
        U32(e->exit_label, 0) |= 1;         /* present */
        unicorn.gen_op1(tcg, TCG_SET_LABEL, (uintptr_t)e->exit_label);
        e->exit_label = NULL;
    }
    unicorn.gen_exit_tb(tcg, tb, index);
}

enum { JMP_CACHE_PAGE_BITS = 6, TB_HASH_MASK = 0xff0affff, TB_INVALID = 0x40000, TB_FLAG_BITS = 0x73100 };

/* The next block after an indirect jump: the jump cache, without the detours of a page size that is only
 * known at run time. A miss goes the ordinary way. */
void *helper_lookup_tb_ptr_x86_64(void *env)
{
    void *cs = AT(env, -(ptrdiff_t)CS_ENV);
    if (of_cs(cs)) {
        uint64_t base = U64(env, ENV_SEGS + SEG_CS * SEGMENT_BYTES + SEGMENT_BASE), pc = base + U64(env, ENV_RIP);
        uint64_t mixed = (pc ^ (pc >> 6)) >> 6;
        uint32_t hash = (uint32_t)((mixed & 0xfc0) | ((pc ^ (pc >> 6)) & 0x3f));
        uint32_t flags = U32(env, ENV_HFLAGS) | (U32(env, ENV_EFLAGS) & TB_FLAG_BITS);
        uint8_t *tb = *(uint8_t **)AT(cs, CS_TB_JMP_CACHE + 8 * hash);
        if (tb && U64(tb, TB_PC) == pc && U64(tb, TB_CS_BASE) == base && U32(tb, TB_FLAGS) == flags &&
            U32(tb, TB_TRACE) == U32(cs, CS_TRACE) &&
            (U32(tb, TB_CFLAGS) & (TB_HASH_MASK | TB_INVALID)) == U32(cs, CS_CLUSTER) << 24)
            return *(void **)AT(tb, TB_CODE);
    }
    return unicorn.lookup_tb_ptr(env);
}

/* ------------------------------------------------------------------ the watcher --------------------- */

/* Sleeps in poll() on the event loop's epoll descriptor and kicks the CPU once when something is ready. It
 * then waits to be armed again, because the descriptor stays ready until the machine has dealt with it. */
static void *watch(void *argument)
{
    Engine *e = argument;
    uint64_t drained;
    while (!atomic_load(&e->quit)) {
        struct pollfd fds[2] = {{e->control_fd, POLLIN, 0}, {e->watch_fd, POLLIN, 0}};
        if (poll(fds, atomic_load(&e->fired) ? 1 : 2, -1) < 0 && errno != EINTR) break;
        if (fds[0].revents & POLLIN && read(e->control_fd, &drained, 8) < 0 && errno != EAGAIN) break;
        if (!atomic_load(&e->fired) && fds[1].revents) {
            atomic_store(&e->fired, 1);
            kick(e);
        }
    }
    return NULL;
}

static void wake_watcher(Engine *e)
{
    uint64_t one = 1;
    while (write(e->control_fd, &one, 8) < 0 && errno == EINTR) {}
}

/* ------------------------------------------------------------------ Python: Engine ------------------ */

static PyObject *unicorn_error(const char *what, int code)
{
    return PyErr_Format(PyExc_RuntimeError, "%s: %s", what, unicorn.strerror(code));
}

static int Engine_init(Engine *e, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"model", NULL};
    int model = 0, code;
    size_t hook;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|i", names, &model)) return -1;
    if (!unicorn.open) {
        PyErr_SetString(PyExc_RuntimeError, "bind() has not been called");
        return -1;
    }
    e->watch_fd = e->control_fd = -1;
    e->int_rip = UINT64_MAX;
    e->apic_base = 0xfee00900;
    e->ticks = -__builtin_ia32_rdtsc();
    e->ticks_run = true;
    if ((code = unicorn.open(UC_ARCH_X86, UC_MODE_64, &e->uc))) {
        unicorn_error("uc_open", code);
        return -1;
    }
    if ((code = unicorn.ctl(e->uc, UC_CTL_WRITE(UC_CTL_CPU_MODEL, 1), model))) {
        unicorn_error("CPU model", code);
        return -1;
    }
    if ((code = unicorn.ctl(e->uc, UC_CTL_WRITE(UC_CTL_USE_EXITS, 1), 1))) {     /* else address 0 ends a run */
        unicorn_error("exits", code);
        return -1;
    }
    if ((code = unicorn.ctl(e->uc, UC_CTL_WRITE(UC_CTL_TCG_BUFFER_SIZE, 1), CODE_BUFFER_BYTES))) {
        unicorn_error("code buffer", code);
        return -1;
    }
    uint64_t rip;
    unicorn.reg_read(e->uc, 41 /* RIP */, &rip);        /* the first use creates the CPU */
    e->cs = *(void **)AT(e->uc, UC_CPU);
    e->env = AT(e->cs, CS_ENV);
    e->tcg = *(void **)AT(e->uc, UC_TCG_CTX);
    U8(e->uc, UC_NO_EXIT_REQUEST) = 1;                  /* leave blocks at their heads only: exact restarts */
    if (!(e->page_states = calloc(CHUNKS, sizeof *e->page_states))) {
        PyErr_NoMemory();
        return -1;
    }
    if ((code = unicorn.hook_add(e->uc, &hook, UC_HOOK_INTR, on_interrupt, e, 1, 0)) ||
        (code = unicorn.hook_add(e->uc, &hook, UC_HOOK_INSN_INVALID, on_invalid_instruction, e, 1, 0)) ||
        (code = unicorn.hook_add(e->uc, &hook, UC_HOOK_MEM_WRITE_PROT, on_rom_write, e, 1, 0))) {
        unicorn_error("uc_hook_add", code);
        return -1;
    }
    e->next = engines;
    engines = e;
    return 0;
}

static int Engine_traverse(Engine *e, visitproc visit, void *arg)
{
    for (int w = 0; w < WIDTHS; w++) {
        Py_VISIT(e->readers[w]);
        Py_VISIT(e->writers[w]);
        Py_VISIT(e->offsets[w]);
    }
    Py_VISIT(e->ports);
    Py_VISIT(e->string_readers);
    Py_VISIT(e->string_writers);
    Py_VISIT(e->acknowledge);
    Py_VISIT(e->load);
    Py_VISIT(e->store);
    Py_VISIT(e->load_run);
    Py_VISIT(e->store_run);
    Py_VISIT(e->copy_run);
    for (int i = 0; i < 3; i++) Py_VISIT(e->error[i]);
    return 0;
}

static int Engine_clear(Engine *e)
{
    for (int w = 0; w < WIDTHS; w++) {
        Py_CLEAR(e->readers[w]);
        Py_CLEAR(e->writers[w]);
        Py_CLEAR(e->offsets[w]);
    }
    if (e->string_ports.obj) PyBuffer_Release(&e->string_ports);
    Py_CLEAR(e->ports);
    Py_CLEAR(e->string_readers);
    Py_CLEAR(e->string_writers);
    Py_CLEAR(e->acknowledge);
    Py_CLEAR(e->load);
    Py_CLEAR(e->store);
    Py_CLEAR(e->load_run);
    Py_CLEAR(e->store_run);
    Py_CLEAR(e->copy_run);
    for (int i = 0; i < 3; i++) Py_CLEAR(e->error[i]);
    return 0;
}

static void stop_watching(Engine *e)
{
    if (!e->watching) return;
    atomic_store(&e->quit, 1);
    wake_watcher(e);
    pthread_join(e->watcher, NULL);
    close(e->control_fd);
    e->watching = false;
}

static void Engine_dealloc(Engine *e)
{
    PyObject_GC_UnTrack(e);
    stop_watching(e);
    for (Engine **link = &engines; *link; link = &(*link)->next)
        if (*link == e) {
            *link = e->next;
            break;
        }
    if (e->uc) unicorn.close(e->uc);
    free(e->pieces);
    for (int chunk = 0; e->page_states && chunk < CHUNKS; chunk++) free(e->page_states[chunk]);
    free(e->page_states);
    PyMem_Free(e->cpuid);
    Engine_clear(e);
    Py_TYPE(e)->tp_free(e);
}

static int take_lists(PyObject *ports, const char *name, PyObject *out[WIDTHS])
{
    PyObject *table = PyObject_GetAttrString(ports, name);
    if (!table) return -1;
    for (int w = 0; w < WIDTHS; w++) {
        PyObject *width = PyLong_FromLong(1 << w), *list = width ? PyObject_GetItem(table, width) : NULL;
        Py_XDECREF(width);
        if (!list || !PyList_Check(list) || PyList_GET_SIZE(list) != 0x10000) {
            Py_XDECREF(list);
            Py_DECREF(table);
            if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "ports.%s is not three lists of 65536", name);
            return -1;
        }
        Py_XSETREF(out[w], list);
    }
    Py_DECREF(table);
    return 0;
}

PyDoc_STRVAR(connect_doc,
"connect(ports, memory, acknowledge)\n\n"
"Join the CPU to its board: the PortSpace; the AddressSpace, whose load, store, load_run, store_run and copy_run\n"
"are called for memory that is not plain RAM; acknowledge() -> vector for the INTA cycle.");

static int take_methods(PyObject *memory, Engine *e)
{
    const struct { const char *name; PyObject **method; } wanted[] = {
        {"load", &e->load}, {"store", &e->store}, {"load_run", &e->load_run}, {"store_run", &e->store_run},
        {"copy_run", &e->copy_run}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        PyObject *method = PyObject_GetAttrString(memory, wanted[i].name);
        if (!method) return -1;
        Py_XSETREF(*wanted[i].method, method);
    }
    return 0;
}

static PyObject *Engine_connect(Engine *e, PyObject *args)
{
    PyObject *ports, *memory, *acknowledge;
    if (!PyArg_ParseTuple(args, "OOO", &ports, &memory, &acknowledge) || take_methods(memory, e)) return NULL;
    if (take_lists(ports, "readers", e->readers) || take_lists(ports, "writers", e->writers) ||
        take_lists(ports, "offsets", e->offsets))
        return NULL;
    PyObject *flags = PyObject_GetAttrString(ports, "string_ports");
    if (!flags) return NULL;
    if (e->string_ports.obj) PyBuffer_Release(&e->string_ports);
    int failed = PyObject_GetBuffer(flags, &e->string_ports, PyBUF_SIMPLE);
    Py_DECREF(flags);
    if (failed) return NULL;
    if (e->string_ports.len != 0x10000) return PyErr_Format(PyExc_ValueError, "ports.string_ports is not 65536 bytes");
    Py_XSETREF(e->string_readers, PyObject_GetAttrString(ports, "string_readers"));
    Py_XSETREF(e->string_writers, PyObject_GetAttrString(ports, "string_writers"));
    if (!e->string_readers || !PyDict_Check(e->string_readers) || !e->string_writers ||
        !PyDict_Check(e->string_writers))
        return PyErr_Format(PyExc_TypeError, "ports.string_readers and string_writers must be dicts");
    Py_XSETREF(e->ports, Py_NewRef(ports));
    Py_XSETREF(e->acknowledge, Py_NewRef(acknowledge));
    Py_RETURN_NONE;
}

/* One piece of a change: the arguments in *item*, as *format* has them. */
static bool change_piece(Engine *e, PyObject *item, const char *format, int (*change)(Engine *, const uint64_t *))
{
    unsigned long long given[4] = {0};
    if (!PyArg_ParseTuple(item, format, &given[0], &given[1], &given[2], &given[3])) return false;
    uint64_t piece[4] = {given[0], given[1], given[2], given[3]};
    int code = change(e, piece);
    if (code) unicorn_error("change of the memory map", code);
    return !code;
}

static int unmap_piece(Engine *e, const uint64_t *piece) { return unicorn.mem_unmap(e->uc, piece[0], piece[1]); }

static int map_ram_piece(Engine *e, const uint64_t *piece)
{
    uint64_t address = piece[0], host = piece[1], size = piece[2], readonly = piece[3];
    if (!size || !make_page_states(e, host, size)) return UC_ERR_NOMEM;
    int code = unicorn.mem_map_ptr(e->uc, address, size, UC_PROT_ALL, (void *)(uintptr_t)host);
    if (!code && readonly)                  /* only this makes the store itself go nowhere */
        code = unicorn.mem_protect(e->uc, address, size, UC_PROT_READ | UC_PROT_EXEC);
    return code;
}

static int map_io_piece(Engine *e, const uint64_t *piece)
{
    void *base = (void *)(uintptr_t)piece[0];
    int code = unicorn.mmio_map(e->uc, piece[0], piece[1], on_load, base, on_store, base);
    if (!code) code = unicorn.mem_protect(e->uc, piece[0], piece[1], UC_PROT_ALL);      /* a guest may jump there */
    return code;
}

PyDoc_STRVAR(change_map_doc,
"change_map(gone, ram, windows)\n\n"
"Lists of what the guest sees no longer: (address, size), exactly as mapped; of host memory to show: (address,\n"
"host_address, size, readonly); and of windows whose accesses go to the address space: (address, size). All page\n"
"aligned. What was translated of memory that goes is kept for its return.");

static PyObject *Engine_change_map(Engine *e, PyObject *args)
{
    static const struct { const char *format; int (*change)(Engine *, const uint64_t *); } kinds[] = {
        {"KK", unmap_piece}, {"KKKK", map_ram_piece}, {"KK", map_io_piece}};
    PyObject *lists[3];
    Py_ssize_t left = 0;
    if (!PyArg_ParseTuple(args, "O!O!O!", &PyList_Type, &lists[0], &PyList_Type, &lists[1], &PyList_Type, &lists[2]))
        return NULL;
    for (int kind = 0; kind < 3; kind++) left += PyList_GET_SIZE(lists[kind]);
    if (!left) Py_RETURN_NONE;
    bool ok = true;
    e->map_changing = true;
    e->map_complete = false;
    memset(e->regions, 0, sizeof e->regions);
    for (int kind = 0; kind < 3; kind++)
        for (Py_ssize_t i = 0; ok && i < PyList_GET_SIZE(lists[kind]); i++) {
            e->map_incomplete = --left > 0;
            ok = change_piece(e, PyList_GET_ITEM(lists[kind], i), kinds[kind].format, kinds[kind].change);
        }
    e->map_changing = e->map_incomplete = false;
    unicorn.tlb_flush(e->cs);
    if (ok && !e->map_complete) {
        PyErr_SetString(PyExc_RuntimeError, "a change of the memory map has not reached the CPU");
        ok = false;
    }
    return ok ? Py_NewRef(Py_None) : NULL;
}

PyDoc_STRVAR(ram_written_doc,
"ram_written(host_address, length)\n\n"
"Not the guest, but a device stored into this memory, mapped or not: drop what was translated from there.");

static PyObject *Engine_ram_written(Engine *e, PyObject *args)
{
    unsigned long long host, length;
    if (!PyArg_ParseTuple(args, "KK", &host, &length)) return NULL;
    for (uint64_t page = host & ~0xfffull; page < host + length; page += 4096) {
        uint8_t *state = page_state(e, page);
        if (!state)
            page |= (CHUNK_PAGES - 1ull) << 12;         /* nothing of this chunk */
        else if (*state != PAGE_DATA)
            forget_code_page(e, page);
    }
    Py_RETURN_NONE;
}

static bool is_halted(Engine *e)
{
    return U32(e->cs, CS_HALTED) && !unicorn.pending_interrupt(e->cs, (int)U32(e->cs, CS_INTERRUPT_REQUEST));
}

PyDoc_STRVAR(run_doc,
"run() -> str\n\n"
"Run the guest until something needs the machine: 'kicked', 'halted' (no interrupt can be taken), or\n"
"'shutdown' (triple fault). Raises what a callback raised.");

static PyObject *Engine_run(Engine *e, PyObject *unused)
{
    (void)unused;
    if (e->running) return PyErr_Format(PyExc_RuntimeError, "the CPU is running already");
    const char *reason = NULL;
    e->running = true;
    U8(e->cs, CS_CREATED) = 1;
    U8(e->cs, CS_STOP) = U8(e->cs, CS_STOPPED) = 0;
    U32(e->uc, UC_NESTED_LEVEL) = 1;
    while (!reason) {
        U8(e->uc, UC_STOP_REQUEST) = U8(e->uc, UC_QUIT_REQUEST) = 0;
        U32(e->uc, UC_INVALID_ERROR) = 0;
        int result = unicorn.cpu_exec(e->uc, e->cs);
        if (e->error[0]) break;
        if (e->triple_fault) {
            e->triple_fault = false;
            reason = "shutdown";
        } else if (U32(e->uc, UC_INVALID_ERROR)) {
            char rip[20];
            PyOS_snprintf(rip, sizeof rip, "%#llx", (unsigned long long)U64(e->env, ENV_RIP));
            PyErr_Format(PyExc_RuntimeError, "the CPU stopped at %s: %s", rip,
                         unicorn.strerror((int)U32(e->uc, UC_INVALID_ERROR)));
            break;
        } else if (atomic_exchange(&e->kicked, 0)) {
            reason = "kicked";
        } else if ((result == EXCP_HLT || result == EXCP_HALTED) && is_halted(e)) {
            reason = "halted";
        }                                   /* else PAUSE, a debug register, a full code buffer: go on */
    }
    U32(e->uc, UC_NESTED_LEVEL) = 0;
    e->running = false;
    if (e->error[0]) {
        PyErr_Restore(e->error[0], e->error[1], e->error[2]);
        e->error[0] = e->error[1] = e->error[2] = NULL;
        return NULL;
    }
    return reason ? PyUnicode_FromString(reason) : NULL;
}

PyDoc_STRVAR(kick_doc, "kick()\n\nMake run() return soon. May be called from any thread.");

static PyObject *Engine_kick(Engine *e, PyObject *unused)
{
    (void)unused;
    kick(e);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(set_irq_doc, "set_irq(level)\n\nThe INTR pin, as the interrupt controller drives it.");

static PyObject *Engine_set_irq(Engine *e, PyObject *level)
{
    if (PyObject_IsTrue(level)) {
        U32(e->cs, CS_INTERRUPT_REQUEST) |= INTERRUPT_HARD;
        break_chain(e);
    } else {
        U32(e->cs, CS_INTERRUPT_REQUEST) &= ~INTERRUPT_HARD;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(nmi_doc, "nmi()\n\nAn edge on the NMI pin.");

static PyObject *Engine_nmi(Engine *e, PyObject *unused)
{
    (void)unused;
    U32(e->cs, CS_INTERRUPT_REQUEST) |= INTERRUPT_NMI;
    break_chain(e);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(set_a20_doc, "set_a20(open)\n\nThe A20 gate: address bit 20 passes while it is open.");

static PyObject *Engine_set_a20(Engine *e, PyObject *open)
{
    unicorn.set_a20(e->cs, PyObject_IsTrue(open));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(reset_doc, "reset()\n\nThe power-on state: CS base FFFF0000, IP FFF0. The A20 gate is left open.");

static PyObject *Engine_reset(Engine *e, PyObject *unused)
{
    (void)unused;
    void *class = *(void **)AT(e->cs, CS_CLASS);
    (*(void (**)(void *))class)(e->cs);                 /* CPUClass.reset */
    U64(e->env, ENV_CR + 4 * 8) = 0;                    /* Unicorn's reset leaves user-mode bits in CR4 */
    e->apic_base = 0xfee00900;
    e->triple_fault = false;
    e->int_rip = UINT64_MAX;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(peek_doc, "peek(offset, size) -> int\n\nA field of the CPU's state; offsets are in registers.py.");

static PyObject *Engine_peek(Engine *e, PyObject *args)
{
    unsigned offset, size;
    uint64_t value = 0;
    if (!PyArg_ParseTuple(args, "II", &offset, &size)) return NULL;
    if (size > 8 || offset > ENV_BYTES - size) return PyErr_Format(PyExc_ValueError, "outside the CPU's state");
    memcpy(&value, AT(e->env, offset), size);
    return PyLong_FromUnsignedLongLong(value);
}

PyDoc_STRVAR(poke_doc, "poke(offset, size, value)\n\nSet a field; call update() after changing modes or segments.");

static PyObject *Engine_poke(Engine *e, PyObject *args)
{
    unsigned offset, size;
    unsigned long long value;
    if (!PyArg_ParseTuple(args, "IIK", &offset, &size, &value)) return NULL;
    if (size > 8 || offset > ENV_BYTES - size) return PyErr_Format(PyExc_ValueError, "outside the CPU's state");
    memcpy(AT(e->env, offset), &value, size);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(read_state_doc, "read_state(offset, size) -> bytes\n\nA piece of the CPU's state.");

static PyObject *Engine_read_state(Engine *e, PyObject *args)
{
    unsigned offset, size;
    if (!PyArg_ParseTuple(args, "II", &offset, &size)) return NULL;
    if (size > ENV_BYTES || offset > ENV_BYTES - size) return PyErr_Format(PyExc_ValueError, "outside the CPU's state");
    return PyBytes_FromStringAndSize(AT(e->env, offset), size);
}

PyDoc_STRVAR(write_state_doc, "write_state(offset, data)\n\nSet a piece of the CPU's state; call update() in the end.");

static PyObject *Engine_write_state(Engine *e, PyObject *args)
{
    unsigned offset;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "Iy*", &offset, &data)) return NULL;
    bool fits = data.len <= ENV_BYTES && offset <= ENV_BYTES - data.len;
    if (fits) memcpy(AT(e->env, offset), data.buf, (size_t)data.len);
    PyBuffer_Release(&data);
    if (!fits) return PyErr_Format(PyExc_ValueError, "outside the CPU's state");
    Py_RETURN_NONE;
}

PyDoc_STRVAR(get_requests_doc, "get_requests() -> (halted, interrupt_request)\n\nWhat the CPU waits for and is asked for.");

static PyObject *Engine_get_requests(Engine *e, PyObject *unused)
{
    (void)unused;
    return Py_BuildValue("II", U32(e->cs, CS_HALTED), U32(e->cs, CS_INTERRUPT_REQUEST) & INTERRUPT_SAVED);
}

PyDoc_STRVAR(set_requests_doc, "set_requests(halted, interrupt_request)");

static PyObject *Engine_set_requests(Engine *e, PyObject *args)
{
    unsigned halted, request;
    if (!PyArg_ParseTuple(args, "II", &halted, &request)) return NULL;
    U32(e->cs, CS_HALTED) = halted != 0;
    U32(e->cs, CS_INTERRUPT_REQUEST) =
        (U32(e->cs, CS_INTERRUPT_REQUEST) & ~INTERRUPT_SAVED) | (request & INTERRUPT_SAVED);
    U32(e->cs, CS_EXCEPTION_INDEX) = (uint32_t)-1;
    break_chain(e);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(set_eflags_doc, "set_eflags(value)\n\nEFLAGS with the lazily computed bits.");

static PyObject *Engine_set_eflags(Engine *e, PyObject *value)
{
    uint64_t flags = PyLong_AsUnsignedLongLongMask(value);
    if (PyErr_Occurred()) return NULL;
    clear_eflags(e->env, flags, 0);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(set_dr7_doc, "set_dr7(value)\n\nDebug control: sets the breakpoints that DR0 to DR3 hold.");

static PyObject *Engine_set_dr7(Engine *e, PyObject *value)
{
    uint32_t dr7 = (uint32_t)PyLong_AsUnsignedLongMask(value);
    if (PyErr_Occurred()) return NULL;
    unicorn.update_dr7(e->env, dr7);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(get_ticks_doc, "get_ticks() -> int\n\nThe time-stamp counter, without what the guest added to it.");

static PyObject *Engine_get_ticks(Engine *e, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(ticks(e));
}

PyDoc_STRVAR(set_ticks_doc, "set_ticks(value, running)\n\nSet the time-stamp counter, and let it run or stand still.");

static PyObject *Engine_set_ticks(Engine *e, PyObject *args)
{
    unsigned long long value;
    int running;
    if (!PyArg_ParseTuple(args, "Kp", &value, &running)) return NULL;
    e->ticks_run = running;
    e->ticks = running ? value - __builtin_ia32_rdtsc() : value;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(forget_code_doc, "forget_code()\n\nAll of memory may have changed: drop everything that was translated.");

static PyObject *Engine_forget_code(Engine *e, PyObject *unused)
{
    (void)unused;
    tb_flush_x86_64(e->cs);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(update_doc, "update()\n\nDerive what depends on control registers and segments after poke().");

static PyObject *Engine_update(Engine *e, PyObject *unused)
{
    (void)unused;
    unicorn.update_hflags(e->env);
    unicorn.update_fp_status(e->env);
    unicorn.update_mxcsr_status(e->env);
    unicorn.tlb_flush(e->cs);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(eflags_doc, "eflags() -> int\n\nEFLAGS with the lazily computed bits.");

static PyObject *Engine_eflags(Engine *e, PyObject *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(unicorn.read_eflags(e->env));
}

PyDoc_STRVAR(cpuid_doc, "cpuid(leaf, subleaf) -> (eax, ebx, ecx, edx)\n\nWhat the guest reads.");

static PyObject *Engine_cpuid(Engine *e, PyObject *args)
{
    unsigned leaf, subleaf;
    uint32_t out[4];
    if (!PyArg_ParseTuple(args, "II", &leaf, &subleaf)) return NULL;
    read_cpuid(e, leaf, subleaf, out);
    return Py_BuildValue("IIII", out[0], out[1], out[2], out[3]);
}

PyDoc_STRVAR(override_cpuid_doc,
"override_cpuid([(leaf, keep, set), ...])\n\n"
"Change what CPUID leaves return, in order: each register of the model's value & keep | set; keep and set are\n"
"tuples for EAX, EBX, ECX, EDX.");

static PyObject *Engine_override_cpuid(Engine *e, PyObject *argument)
{
    PyObject *items = PySequence_Fast(argument, "a list is needed");
    if (!items) return NULL;
    size_t count = (size_t)PySequence_Fast_GET_SIZE(items);
    struct cpuid_override *table = PyMem_Calloc(count + 1, sizeof *table);
    if (!table) {
        Py_DECREF(items);
        return PyErr_NoMemory();
    }
    for (size_t i = 0; i < count; i++) {
        struct cpuid_override *o = &table[i];
        if (!PyArg_ParseTuple(PySequence_Fast_GET_ITEM(items, (Py_ssize_t)i), "I(IIII)(IIII)", &o->leaf, &o->keep[0],
                              &o->keep[1], &o->keep[2], &o->keep[3], &o->set[0], &o->set[1], &o->set[2], &o->set[3])) {
            PyMem_Free(table);
            Py_DECREF(items);
            return NULL;
        }
    }
    Py_DECREF(items);
    PyMem_Free(e->cpuid);
    e->cpuid = table;
    e->cpuid_count = count;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(watch_doc,
"watch(fd)\n\nStart the thread that kicks the CPU when the epoll descriptor *fd* becomes ready.");

static PyObject *Engine_watch(Engine *e, PyObject *args)
{
    int fd;
    if (!PyArg_ParseTuple(args, "i", &fd)) return NULL;
    if (e->watching) return PyErr_Format(PyExc_RuntimeError, "watching already");
    e->watch_fd = fd;
    e->control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->control_fd < 0) return PyErr_SetFromErrno(PyExc_OSError);
    atomic_store(&e->quit, 0);
    atomic_store(&e->fired, 0);
    sigset_t all, old; /* signals are for Python's thread, from the watcher's first instruction on */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&e->watcher, NULL, watch, e);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (code) {
        close(e->control_fd);
        errno = code;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    e->watching = true;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(arm_doc,
"arm()\n\nCall before looking at the event loop and running on: a later event kicks the CPU again.");

static PyObject *Engine_arm(Engine *e, PyObject *unused)
{
    (void)unused;
    if (e->watching && atomic_exchange(&e->fired, 0)) wake_watcher(e);
    Py_RETURN_NONE;
}

static PyObject *Engine_close(Engine *e, PyObject *unused)
{
    (void)unused;
    stop_watching(e);
    Py_RETURN_NONE;
}

static PyObject *Engine_get_halted(Engine *e, void *closure)
{
    (void)closure;
    return PyBool_FromLong(is_halted(e));
}

static PyMethodDef Engine_methods[] = {
    {"connect", (PyCFunction)Engine_connect, METH_VARARGS, connect_doc},
    {"change_map", (PyCFunction)Engine_change_map, METH_VARARGS, change_map_doc},
    {"ram_written", (PyCFunction)Engine_ram_written, METH_VARARGS, ram_written_doc},
    {"run", (PyCFunction)Engine_run, METH_NOARGS, run_doc},
    {"kick", (PyCFunction)Engine_kick, METH_NOARGS, kick_doc},
    {"set_irq", (PyCFunction)Engine_set_irq, METH_O, set_irq_doc},
    {"nmi", (PyCFunction)Engine_nmi, METH_NOARGS, nmi_doc},
    {"set_a20", (PyCFunction)Engine_set_a20, METH_O, set_a20_doc},
    {"reset", (PyCFunction)Engine_reset, METH_NOARGS, reset_doc},
    {"peek", (PyCFunction)Engine_peek, METH_VARARGS, peek_doc},
    {"poke", (PyCFunction)Engine_poke, METH_VARARGS, poke_doc},
    {"read_state", (PyCFunction)Engine_read_state, METH_VARARGS, read_state_doc},
    {"write_state", (PyCFunction)Engine_write_state, METH_VARARGS, write_state_doc},
    {"get_requests", (PyCFunction)Engine_get_requests, METH_NOARGS, get_requests_doc},
    {"set_requests", (PyCFunction)Engine_set_requests, METH_VARARGS, set_requests_doc},
    {"set_eflags", (PyCFunction)Engine_set_eflags, METH_O, set_eflags_doc},
    {"set_dr7", (PyCFunction)Engine_set_dr7, METH_O, set_dr7_doc},
    {"get_ticks", (PyCFunction)Engine_get_ticks, METH_NOARGS, get_ticks_doc},
    {"set_ticks", (PyCFunction)Engine_set_ticks, METH_VARARGS, set_ticks_doc},
    {"forget_code", (PyCFunction)Engine_forget_code, METH_NOARGS, forget_code_doc},
    {"update", (PyCFunction)Engine_update, METH_NOARGS, update_doc},
    {"eflags", (PyCFunction)Engine_eflags, METH_NOARGS, eflags_doc},
    {"cpuid", (PyCFunction)Engine_cpuid, METH_VARARGS, cpuid_doc},
    {"override_cpuid", (PyCFunction)Engine_override_cpuid, METH_O, override_cpuid_doc},
    {"watch", (PyCFunction)Engine_watch, METH_VARARGS, watch_doc},
    {"arm", (PyCFunction)Engine_arm, METH_NOARGS, arm_doc},
    {"close", (PyCFunction)Engine_close, METH_NOARGS, "close()\n\nStop the watcher."},
    {NULL, NULL, 0, NULL},
};

static PyObject *Engine_get_apic_base(Engine *e, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(e->apic_base);
}

static int Engine_set_apic_base(Engine *e, PyObject *value, void *closure)
{
    (void)closure;
    e->apic_base = PyLong_AsUnsignedLongLongMask(value);
    return PyErr_Occurred() ? -1 : 0;
}

static PyGetSetDef Engine_getset[] = {
    {"apic_base", (getter)Engine_get_apic_base, (setter)Engine_set_apic_base, "IA32_APIC_BASE.", NULL},
    {"halted", (getter)Engine_get_halted, NULL, "Whether the CPU sleeps in HLT and nothing can wake it now.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject EngineType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pyqemu.cpu._sysmode.Engine",
    .tp_doc = "Engine(model=0)\n\nOne x86 CPU; *model* is Unicorn's UC_CPU_X86 number.",
    .tp_basicsize = sizeof(Engine),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)Engine_init,
    .tp_dealloc = (destructor)Engine_dealloc,
    .tp_traverse = (traverseproc)Engine_traverse,
    .tp_clear = (inquiry)Engine_clear,
    .tp_methods = Engine_methods,
    .tp_getset = Engine_getset,
};

/* ------------------------------------------------------------------ Python: module ------------------ */

PyDoc_STRVAR(bind_doc,
"bind(path)\n\nLoad Unicorn's library from *path* and take the originals. This module must have been loaded with\n"
"RTLD_GLOBAL before. Raises RuntimeError when a symbol is missing (another version of Unicorn).");

static PyObject *bind(PyObject *module, PyObject *args)
{
    const char *path;
    (void)module;
    if (!PyArg_ParseTuple(args, "s", &path)) return NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return PyErr_Format(PyExc_RuntimeError, "%s", dlerror());
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *address = dlsym(library, symbols[i].symbol);
        if (!address) return PyErr_Format(PyExc_RuntimeError, "symbol %s is missing", symbols[i].symbol);
        *(void **)symbols[i].slot = address;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(timer_create_doc, "timer_create() -> int\n\nA timer descriptor on CLOCK_MONOTONIC, disarmed.");

static PyObject *timer_descriptor(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromLong(fd);
}

PyDoc_STRVAR(timer_set_doc,
"timer_set(fd, deadline_ns)\n\nMake the descriptor readable at an absolute time; 0 disarms it. A time in the past is now.");

static PyObject *timer_set(PyObject *module, PyObject *args)
{
    int fd;
    long long deadline;
    (void)module;
    if (!PyArg_ParseTuple(args, "iL", &fd, &deadline)) return NULL;
    if (deadline < 0) deadline = 1;
    struct itimerspec when = {{0, 0}, {deadline / 1000000000, deadline % 1000000000}};
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL) < 0) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"bind", bind, METH_VARARGS, bind_doc},
    {"timer_create", timer_descriptor, METH_NOARGS, timer_create_doc},
    {"timer_set", timer_set, METH_VARARGS, timer_set_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_sysmode", "The system-mode half of the CPU.", -1, module_methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__sysmode(void)
{
    PyObject *module = PyModule_Create(&module_definition);
    if (!module) return NULL;
    if (PyType_Ready(&EngineType) < 0 || PyModule_AddObjectRef(module, "Engine", (PyObject *)&EngineType) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
