#include "binding/bindings.h"

namespace altclip {

void init_convert(Napi::Env, Napi::Object) {}

}  // namespace altclip
