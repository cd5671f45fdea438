#include "schema.h"

#include <string>

#include "attempts/sighting_table.h"
#include "attempts/tables.h"
#include "log/batch_table.h"
#include "log/damage.h"
#include "log/staging.h"
#include "membership/designations.h"
#include "membership/former_members.h"
#include "membership/identity.h"
#include "membership/sponsor.h"
#include "records/table.h"

namespace countersign {

std::span<const sqlite::Migration> schema() {
    static const std::string first =
        std::string(records::schema_sql) + log::schema_sql + log::staging_schema_sql() +
        log::damage_schema_sql + membership::schema_sql + membership::identity_schema_sql +
        membership::sponsor_schema_sql + membership::former_members_schema_sql +
        attempts::schema_sql + attempts::sightings_schema_sql;
    static const sqlite::Migration migrations[] = {{.version = 1, .sql = first.c_str()}};
    return migrations;
}

}  // namespace countersign
