#include "services/import.h"

#include "base/error.h"
#include "base/system_error.h"
#include "store/folders.h"
#include "store/resolve.h"
#include "store/summary.h"

namespace pome::services {
namespace {

using How = ImportOptions::How;

[[noreturn]] void fail_files(const fs::path& path, std::string_view what, const std::error_code& code) {
  fail(error_kind(code.value()), "{}: {}: {}", path.string(), what, code.message());
}

void create_folder(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) fail_files(folder, "cannot create the folder", failed);
}

void put_file(const fs::path& from, const fs::path& to, How how) {
  std::error_code failed;
  create_folder(to.parent_path());
  const fs::path content = fs::canonical(from, failed);
  if (failed) fail_files(from, "cannot read", failed);
  if (how == How::link) {
    fs::create_hard_link(content, to, failed);
    if (failed == std::errc::cross_device_link) {
      throw error(ErrorKind::refused, "{}: a link cannot lead to another file system", to.string())
          .with_hint("--copy");
    }
  } else {
    fs::copy_file(content, to, failed);
  }
  if (failed) fail_files(to, how == How::link ? "cannot link" : "cannot copy", failed);
}

// `name` of `to` appears at once, when everything is in it.
void put_folder(const fs::path& from, const fs::path& to, How how) {
  std::error_code failed;
  if (fs::exists(to, failed)) {
    throw error(ErrorKind::refused, "{}: there already, so nothing was put there", to.string())
        .with_hint("--name org/name gives it another place");
  }
  const fs::path unfinished = to.parent_path() / ("." + to.filename().string() + ".importing");
  fs::remove_all(unfinished, failed);
  create_folder(unfinished);
  try {
    for (const store::FolderFile& file : store::folder_files(from)) {
      put_file(from / file.name, unfinished / file.name, how);
    }
    fs::rename(unfinished, to, failed);
    if (failed) fail_files(to, "cannot create", failed);
  } catch (...) {
    fs::remove_all(unfinished, failed);
    throw;
  }
}

std::string own_name(const fs::path& folder) {
  const fs::path plain = folder.has_filename() ? folder : folder.parent_path();
  return plain.filename().string();
}

// The tree that a folder is: itself, or with the app's documents its folder Models.
store::ModelTree find_tree(const fs::path& folder) {
  store::ModelTree tree = store::scan_model_tree(folder);
  if (tree.models.empty() && tree.stale_markers.empty()) {
    if (store::ModelTree inner = store::scan_model_tree(folder / "Models"); !inner.models.empty())
      return inner;
  }
  return tree;
}

ImportReport import_tree(const ImportOptions& options, const fs::path& folder, const store::Paths& paths) {
  const store::ModelTree tree = find_tree(folder);
  if (tree.models.empty() && tree.stale_markers.empty()) {
    throw error(ErrorKind::not_found, "{}: holds no model, and neither do the folders in it", folder.string())
        .with_hint("pome doctor " + shell_word(folder));
  }
  if (options.how != How::in_place || !options.name.empty()) {
    throw error(ErrorKind::usage, "{}: a folder of {} models, which only one can be copied or named of",
                folder.string(), tree.models.size())
        .with_hint("pome import " + shell_word(tree.models.empty() ? folder : tree.models.front().folder));
  }
  ImportReport report;
  report.is_tree = true;
  for (const store::TreeModel& model : tree.models) {
    report.models.push_back({model.name, model.folder, "in place"});
    if (tree.uses_markers && !model.marked) report.unmarked.push_back(model.name);
  }
  report.stale_markers = tree.stale_markers;
  if (options.repair) {
    store::repair_markers(tree);
    report.repaired = true;
  }
  store::Folders(paths).add_tree(tree.root);
  return report;
}

}  // namespace

ImportReport import_models(const ImportOptions& options, const store::Paths& paths) {
  std::error_code none;
  fs::path folder = options.source;
  std::string name = options.name;
  if (!options.into.empty() && options.how == How::in_place) {
    throw error(ErrorKind::usage, "--into needs --copy or --link").with_hint("pome import --help");
  }
  if (!fs::is_directory(folder, none)) {
    const store::Place place = store::resolve(options.source, paths);  // or says what is wrong
    if (name.empty()) name = place.name.substr(0, place.name.find('@'));
    folder = place.folder;
    if (options.how == How::in_place) {
      throw error(ErrorKind::usage, "{}: has this name already", options.source)
          .with_hint("--copy or --link");
    }
  } else if (folder = fs::absolute(folder).lexically_normal(); !store::is_model_folder(folder)) {
    return import_tree(options, folder, paths);
  }
  if (name.empty()) name = own_name(folder);
  ImportReport report;
  if (options.how == How::in_place) {
    store::Folders(paths).add(name, folder);
    report.models.push_back({name, folder, "in place"});
    return report;
  }
  const bool own = options.into.empty();
  const fs::path root = own ? paths.data : options.into;
  const fs::path place = store::place_in_tree(root, name);
  create_folder(place.parent_path());
  put_folder(folder, place, options.how);
  if (own) {
    store::Folders(paths).add(name, place);
  } else {
    write_file_atomic(store::marker_in_tree(root, name), "");
    store::Folders(paths).add_tree(root);
  }
  report.models.push_back({name, fs::absolute(place), options.how == How::copy ? "copied" : "linked"});
  return report;
}

}  // namespace pome::services
