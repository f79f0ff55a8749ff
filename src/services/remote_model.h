// A look at a model on the Hub before any download: its small files, and of the weights no more than their
// headers, by ranges. A few kilobytes, for models in many files some megabytes.
#pragma once

#include "base/scratch_folder.h"
#include "hub/hub.h"
#include "services/inspect.h"

namespace pome::services {

// What /api/models/{id} says besides files. Members of another type than expected count as none.
HubFacts parse_hub_facts(const Json& raw);

// The folder of its source is gone with it.
class RemoteModel {
 public:
  // id is "org/name", revision may be empty: main. Throws what hub::Hub throws; corrupt for headers that
  // contradict the files' sizes.
  RemoteModel(hub::Hub& hub, const std::string& id, const std::string& revision);

  const ModelSource& source() const { return source_; }

  // An Error about the folder as one about the model.
  Error renamed(const Error& error) const;

 private:
  ScratchFolder scratch_;
  ModelSource source_;
};

}  // namespace pome::services
