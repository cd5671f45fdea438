#include "simulation/disk.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace countersign::simulation {

const char* name(DiskCall call) noexcept {
    static constexpr const char* names[disk_call_kinds] = {"open",
                                                           "read",
                                                           "write",
                                                           "truncate",
                                                           "sync",
                                                           "sync directory",
                                                           "create",
                                                           "remove",
                                                           "rename",
                                                           "make directory",
                                                           "size",
                                                           "lock",
                                                           "shared memory"};
    return std::has_single_bit(static_cast<unsigned>(call)) && call < disk_any
               ? names[std::countr_zero(static_cast<unsigned>(call))]
               : "";
}

std::string normalised(std::string_view path) {
    std::string plain;
    plain.reserve(path.size() + 1);
    while (!path.empty()) {
        const std::size_t slash = std::min(path.find('/'), path.size());
        const std::string_view part = path.substr(0, slash);
        if (!part.empty() && part != ".") plain.append("/").append(part);
        path.remove_prefix(std::min(slash + 1, path.size()));
    }
    return plain.empty() ? "/" : plain;
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.find_last_of('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

namespace {

bool is_under(std::string_view path, std::string_view directory) {
    if (directory == "/" || path == directory) return true;
    return path.size() > directory.size() && path.starts_with(directory) &&
           path[directory.size()] == '/';
}

}  // namespace

Disk::Disk(const DiskOptions& options)
    : options_(options), draw_(options.seed), capacity_(options.capacity) {
    const auto root = make_file(true);
    names_["/"] = root;
    durable_names_["/"] = root;
}

Disk::~Disk() {
    assert(open_files_.empty());
}

// Faults.

void Disk::plan(const DiskFault& fault) {
    assert(fault.error != 0 && fault.nth > 0);
    const std::lock_guard guard(mutex_);
    plan_.push_back({.fault = fault});
}

void Disk::heal() {
    const std::lock_guard guard(mutex_);
    plan_.clear();
    stop_in_ = 0;
    fired_ = 0;
    counts_ = {};
}

std::uint64_t Disk::fired() const {
    const std::lock_guard guard(mutex_);
    return fired_;
}

std::uint64_t Disk::calls(unsigned of) const {
    const std::lock_guard guard(mutex_);
    std::uint64_t sum = 0;
    for (std::size_t kind = 0; kind < counts_.size(); ++kind) {
        if ((of >> kind & 1) != 0) sum += counts_[kind];
    }
    return sum;
}

void Disk::set_capacity(std::uint64_t bytes) {
    const std::lock_guard guard(mutex_);
    capacity_ = bytes;
}

void Disk::flip(const std::string& path, std::uint64_t offset, unsigned bit) {
    const std::lock_guard guard(mutex_);
    const auto file = find(normalised(path));
    assert(file && !file->is_directory);
    file->content.flip(offset, bit);
}

void Disk::drop_caches() {
    const std::lock_guard guard(mutex_);
    for (const auto& file : all_files()) file->content.drop_cache();
    count_used();
}

void Disk::watch(std::function<void(const DiskEvent&)> watcher) {
    const std::lock_guard guard(mutex_);
    watcher_ = std::move(watcher);
}

Disk::Verdict Disk::judge(DiskCall call, bool alive, std::string_view path) {
    if (!on_ || !alive) return {.error = EIO, .effect = Effect::none};
    ++counts_[static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(call)))];
    if (stop_in_ != 0 && (call & disk_changes) != 0 && --stop_in_ == 0) {
        // A sync that does not end has made nothing safe.
        const bool syncs = (call & (disk_sync | disk_sync_directory)) != 0;
        return {.error = EIO, .effect = syncs ? Effect::none : Effect::whole, .stops = true};
    }
    Verdict verdict;
    for (Planned& planned : plan_) {
        const DiskFault& fault = planned.fault;
        if ((fault.calls & call) == 0 || !path.ends_with(fault.path_suffix)) continue;
        ++planned.seen;
        const bool fires = fault.for_good ? planned.seen >= fault.nth : planned.seen == fault.nth;
        if (!fires || verdict.error != 0) continue;
        verdict = {.error = fault.error, .effect = fault.effect, .fails_on_purpose = true};
    }
    if (verdict.error != 0) ++fired_;
    return verdict;
}

// Power and processes.

ProcessId Disk::start_process() {
    const std::lock_guard guard(mutex_);
    processes_.push_back(ProcessId{next_process_++});
    return processes_.back();
}

bool Disk::lives(ProcessId process) const noexcept {
    return std::ranges::find(processes_, process) != processes_.end();
}

void Disk::end(OpenFile& file) {
    if (file.is_dead) return;
    DiskFile& on = *file.file;
    if (on.whole_holder == &file) on.whole_holder = nullptr;
    if (file.level > 0) --on.readers;
    if (on.reserved == &file) on.reserved = nullptr;
    if (on.pending == &file) on.pending = nullptr;
    if (on.exclusive == &file) on.exclusive = nullptr;
    file.level = 0;
    leave_shared(file);
    file.is_dead = true;
}

void Disk::kill(ProcessId process) {
    const std::lock_guard guard(mutex_);
    std::erase(processes_, process);
    for (OpenFile* file : open_files_) {
        if (file->process == process) end(*file);
    }
}

void Disk::power_off(Damage damage) {
    const std::lock_guard guard(mutex_);
    cut_power(damage);
}

void Disk::cut_power(Damage damage) {
    if (!on_) return;
    on_ = false;
    stop_in_ = 0;
    processes_.clear();
    for (OpenFile* file : open_files_) end(*file);
    settle_names(damage);
    for (const auto& file : all_files()) file->content.lose_power(damage, draw_);
    count_used();
}

void Disk::settle_names(Damage damage) {
    for (const Change& change : changed_names_) {
        const bool kept = damage == Damage::keep || (damage != Damage::drop && draw_.coin());
        if (kept) apply(durable_names_, change);
    }
    changed_names_.clear();
    // What lies in a directory that was lost is lost.
    std::erase_if(durable_names_, [&](const auto& entry) {
        return entry.first != "/" && !durable_names_.contains(parent_of(entry.first));
    });
    for (const auto& entry : names_) entry.second->is_named = false;
    names_ = durable_names_;
    for (const auto& entry : names_) entry.second->is_named = true;
}

void Disk::power_on() {
    const std::lock_guard guard(mutex_);
    on_ = true;
}

void Disk::stop_at(std::uint64_t n, Damage damage) {
    assert(n > 0);
    const std::lock_guard guard(mutex_);
    stop_in_ = n;
    stop_damage_ = damage;
}

bool Disk::is_on() const {
    const std::lock_guard guard(mutex_);
    return on_;
}

// Names.

Disk::FilePointer Disk::make_file(bool is_directory) {
    auto file = std::make_shared<DiskFile>();
    file->inode = next_inode_++;
    file->is_directory = is_directory;
    return file;
}

Disk::FilePointer Disk::find(std::string_view path) const {
    const auto found = names_.find(path);
    return found == names_.end() ? nullptr : found->second;
}

void Disk::apply(Names& names, const Change& change) {
    if (!change.from.empty()) names.erase(change.from);
    if (change.file) {
        names[change.name] = change.file;
    } else {
        names.erase(change.name);
    }
}

void Disk::forget_if_gone(DiskFile& file) {
    if (file.is_named || file.openings != 0 || !file.is_counted) return;
    used_ -= file.content.bytes().size();
    file.is_counted = false;
}

void Disk::put(const std::string& name, const FilePointer& file, const std::string& from) {
    if (const auto before = find(name)) {
        before->is_named = false;
        forget_if_gone(*before);
    }
    if (file) file->is_named = true;
    changed_names_.push_back({.name = name, .from = from, .file = file});
    apply(names_, changed_names_.back());
}

std::vector<Disk::FilePointer> Disk::all_files() const {
    std::map<std::uint64_t, FilePointer> by_inode;
    for (const auto& names : {&names_, &durable_names_}) {
        for (const auto& [path, file] : *names) by_inode.emplace(file->inode, file);
    }
    std::vector<FilePointer> files;
    for (auto& [inode, file] : by_inode) files.push_back(std::move(file));
    return files;
}

// What is on it.

void Disk::count_used() {
    used_ = 0;
    for (const OpenFile* file : open_files_) file->file->is_counted = false;
    for (const auto& [path, file] : names_) {
        file->is_counted = true;
        used_ += file->content.bytes().size();
        if (file->shared) used_ += file->shared->bytes;
    }
}

bool Disk::has_room(std::uint64_t more) const noexcept {
    return used_ <= capacity_ && more <= capacity_ - used_;
}

std::size_t Disk::open_handles() const {
    const std::lock_guard guard(mutex_);
    return open_files_.size();
}

std::uint64_t Disk::bytes_held() const {
    const std::lock_guard guard(mutex_);
    return used_;
}

DiskImage Disk::image(const std::string& under, bool durable) const {
    const std::lock_guard guard(mutex_);
    DiskImage image{.under = normalised(under)};
    for (const auto& [path, file] : durable ? durable_names_ : names_) {
        if (path == "/" || !is_under(path, image.under)) continue;
        const auto bytes = durable ? file->content.durable() : file->content.bytes();
        image.entries.push_back({.path = path,
                                 .inode = file->inode,
                                 .is_directory = file->is_directory,
                                 .bytes = {bytes.begin(), bytes.end()}});
    }
    return image;
}

void Disk::put_back(const DiskImage& image, bool same_inodes) {
    erase(image.under);
    const std::lock_guard guard(mutex_);
    for (const auto& entry : image.entries) {
        const auto file = make_file(entry.is_directory);
        if (same_inodes) file->inode = entry.inode;
        file->content.replace(entry.bytes);
        names_[entry.path] = file;
        durable_names_[entry.path] = file;
        next_inode_ = std::max(next_inode_, file->inode + 1);
    }
    count_used();
}

void Disk::erase(const std::string& path) {
    const std::lock_guard guard(mutex_);
    const std::string under = normalised(path);
    const auto gone = [&](const auto& entry) {
        return entry.first != "/" && is_under(entry.first, under);
    };
    for (const auto& entry : names_) {
        if (gone(entry)) entry.second->is_named = false;
    }
    std::erase_if(names_, gone);
    std::erase_if(durable_names_, gone);
    std::erase_if(changed_names_,
                  [&](const Change& change) { return is_under(change.name, under); });
    count_used();
}

std::vector<std::string> Disk::paths() const {
    const std::lock_guard guard(mutex_);
    std::vector<std::string> paths;
    for (const auto& [path, file] : names_) {
        if (!file->is_directory) paths.push_back(path);
    }
    return paths;
}

std::optional<std::vector<std::byte>> Disk::content(const std::string& path) const {
    const std::lock_guard guard(mutex_);
    const auto file = find(normalised(path));
    if (!file || file->is_directory) return std::nullopt;
    const auto bytes = file->content.bytes();
    return std::vector<std::byte>(bytes.begin(), bytes.end());
}

void Disk::fill_randomly(std::span<std::byte> bytes) {
    const std::lock_guard guard(mutex_);
    draw_.fill(bytes);
}

}  // namespace countersign::simulation
