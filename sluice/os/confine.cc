#include "sluice/os/confine.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>

#include "sluice/os/descriptor.h"

namespace sluice::os {

namespace {

// Of newer kernels than the headers at hand.
struct RulesetV6 {
  uint64_t files = 0;
  uint64_t network = 0;
  uint64_t scopes = 0;
};
constexpr uint64_t kFilesV1 = (1ull << 13) - 1;
constexpr uint64_t kRefer = 1ull << 13;     // Version 2.
constexpr uint64_t kTruncate = 1ull << 14;  // Version 3.
constexpr uint64_t kDevice = 1ull << 15;    // Version 5.
constexpr uint64_t kTcp = 3;                // Version 4: bind and connect.
constexpr uint64_t kScopes = 3;             // Version 6: abstract sockets and signals.
constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                            LANDLOCK_ACCESS_FS_MAKE_REG;

Status Limit(decltype(RLIMIT_AS) what, uint64_t most) {
  rlimit limit = {};
  // Where the process has a lower one, nobody may raise that.
  if (getrlimit(what, &limit) == 0) most = std::min<uint64_t>(most, limit.rlim_max);
  limit = {.rlim_cur = most, .rlim_max = most};
  if (setrlimit(what, &limit) != 0) return Unavailable("setrlimit: {}", std::strerror(errno));
  return {};
}

Status SetLimits(const Confinement& confinement) {
  SLUICE_RETURN_IF_ERROR(Limit(RLIMIT_CORE, 0));
  SLUICE_RETURN_IF_ERROR(Limit(RLIMIT_AS, confinement.address_bytes_max));
  SLUICE_RETURN_IF_ERROR(Limit(RLIMIT_DATA, confinement.data_bytes_max));
  SLUICE_RETURN_IF_ERROR(Limit(RLIMIT_FSIZE, confinement.file_bytes_max));
  SLUICE_RETURN_IF_ERROR(Limit(RLIMIT_CPU, confinement.processor_seconds_max));
  SLUICE_RETURN_IF_ERROR(Limit(RLIMIT_NOFILE, static_cast<uint64_t>(confinement.descriptors_max)));
  signal(SIGXFSZ, SIG_IGN);  // A file at its limit is an error of the write, not our end.
  return {};
}

Status AllowFolder(int ruleset, const std::string& folder, uint64_t rights) {
  const Descriptor opened(open(folder.c_str(), O_PATH | O_CLOEXEC));
  if (!opened) return Unavailable("cannot open '{}': {}", folder, std::strerror(errno));
  const landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = opened.number()};
  if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    return Unavailable("landlock: '{}': {}", folder, std::strerror(errno));
  }
  return {};
}

/// The version of the kernel's landlock; not positive without one.
long LandlockVersion() {
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/// Returns the version of the kernel's landlock; 0 without one.
Result<int> RestrictFiles(const Confinement& confinement) {
  const long version = LandlockVersion();
  if (version <= 0) return 0;
  RulesetV6 handled;
  handled.files = kFilesV1 | (version >= 2 ? kRefer : 0) | (version >= 3 ? kTruncate : 0) |
                  (version >= 5 ? kDevice : 0);
  handled.network = version >= 4 ? kTcp : 0;
  handled.scopes = version >= 6 ? kScopes : 0;
  const size_t size = version >= 6   ? sizeof(handled)
                      : version >= 4 ? offsetof(RulesetV6, scopes)
                                     : offsetof(RulesetV6, network);
  const Descriptor ruleset(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, size, 0)));
  if (!ruleset) return Unavailable("landlock: {}", std::strerror(errno));
  for (const std::string& folder : confinement.read_only) {
    SLUICE_RETURN_IF_ERROR(AllowFolder(ruleset.number(), folder, kRead));
  }
  for (const std::string& folder : confinement.read_write) {
    SLUICE_RETURN_IF_ERROR(
        AllowFolder(ruleset.number(), folder, kRead | kWrite | (version >= 3 ? kTruncate : 0)));
  }
  if (syscall(SYS_landlock_restrict_self, ruleset.number(), 0) != 0) {
    return Unavailable("landlock: {}", std::strerror(errno));
  }
  return static_cast<int>(version);
}

#if defined(__x86_64__)
constexpr uint32_t kMachine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kMachine = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kMachine = 0;
#endif

// Ways out of the process: to the network, to other processes, to new programs, to parts of the
// kernel that a query never needs. What is left either works on what the process has, or on files.
constexpr int kRefused[] = {
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_fanotify_init,
    SYS_inotify_init1,
    SYS_quotactl,
    SYS_swapon,
    SYS_swapoff,
    SYS_syslog,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_personality,
    SYS_memfd_create,
    SYS_shmget,
    SYS_shmat,
    SYS_msgget,
    SYS_semget,
    SYS_mq_open,
    SYS_setpriority,
    SYS_sched_setaffinity,
    SYS_sched_setscheduler,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_mknodat,
    SYS_symlinkat,
    SYS_linkat,
#if defined(__x86_64__)
    SYS_fork,
    SYS_vfork,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_mknod,
    SYS_symlink,
    SYS_link,
    SYS_inotify_init,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"  // The kernel's macros are compound literals.

bool HasSeccomp() { return kMachine != 0 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

/// Returns whether the kernel has seccomp.
Result<bool> RestrictCalls() {
  if (!HasSeccomp()) return false;
  constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  constexpr uint32_t kAbsent = SECCOMP_RET_ERRNO | ENOSYS;
  const auto load = [](size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  };
  const auto answer = [](uint32_t action) { return sock_filter BPF_STMT(BPF_RET | BPF_K, action); };
  // Goes on with the next instruction if equal, else skips it.
  const auto if_equal = [](uint32_t value) {
    return sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
  };
  const auto call = [](int number) { return static_cast<uint32_t>(number); };
  std::vector<sock_filter> program = {
      load(offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kMachine, 1, 0),
      answer(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),
  };
#if defined(__x86_64__)
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));  // Its x32 twin.
  program.push_back(answer(SECCOMP_RET_KILL_PROCESS));
#endif
  for (const int number : kRefused) {
    program.push_back(if_equal(call(number)));
    program.push_back(answer(kRefuse));
  }
  // The arguments of clone3 lie in memory, out of sight; the C library then takes clone.
  program.push_back(if_equal(call(SYS_clone3)));
  program.push_back(answer(kAbsent));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call(SYS_clone), 0, 4));
  program.push_back(load(offsetof(seccomp_data, args[0])));
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x00010000, 1, 0));  // CLONE_THREAD
  program.push_back(answer(kRefuse));
  program.push_back(answer(SECCOMP_RET_ALLOW));
  // Signals to itself, which abort() needs, and its own limits, which the C library looks up.
  for (const auto& [number, self] :
       {std::pair(SYS_tgkill, getpid()), std::pair(SYS_prlimit64, 0)}) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call(number), 0, 4));
    program.push_back(load(offsetof(seccomp_data, args[0])));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(self), 1, 0));
    program.push_back(answer(kRefuse));
    program.push_back(answer(SECCOMP_RET_ALLOW));
  }
  program.push_back(answer(SECCOMP_RET_ALLOW));
  const sock_fprog filter = {.len = static_cast<unsigned short>(program.size()),
                             .filter = program.data()};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) {
    return Unavailable("seccomp: {}", std::strerror(errno));
  }
  return true;
}

#pragma GCC diagnostic pop

}  // namespace

Result<Confined> ConfineThisProcess(const Confinement& confinement) {
  Confined confined;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    confined.threads += entry.exists(ignored) ? 1 : 0;
  }
  SLUICE_RETURN_IF_ERROR(SetLimits(confinement));
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // Nor may others of this user look into it.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Unavailable("no_new_privs: {}", std::strerror(errno));
  }
  SLUICE_ASSIGN_OR_RETURN(confined.landlock, RestrictFiles(confinement));
  SLUICE_ASSIGN_OR_RETURN(confined.seccomp, RestrictCalls());
  return confined;
}

Confined Confinable() {
  return {.landlock = static_cast<int>(std::max(LandlockVersion(), 0L)), .seccomp = HasSeccomp()};
}

}  // namespace sluice::os
