#include "binding/bindings.h"

namespace altclip {

void init_model(Napi::Env, Napi::Object) {}

}  // namespace altclip
