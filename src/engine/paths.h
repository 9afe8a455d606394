// What a path or URL in a statement is.
#pragma once

#include <string>
#include <string_view>

namespace eider::engine {

// Whether a table's name in FROM is a file: it has a scheme or the ending of a format that DuckDB
// reads by itself.
bool IsFileName(std::string_view name);

// Whether a table's name that is no IsFileName() is meant as the path of a local file.
bool IsPathLike(std::string_view name);

// The one spelling of an object's URL: s3a:// and s3n:// are s3://, gcs:// is gs://.
std::string CanonicalUrl(const std::string& url);

// Whether a URL carries settings of httpfs (`s3://b/k?s3_endpoint=host`), in any spelling: these
// would send the worker's requests, and credentials, to a host of the client's choice.
bool HasS3Parameters(std::string_view url);

// Whether S3 would take the URL's bucket for a name at all (3 to 63 lower-case letters, digits,
// dots and hyphens). True for what names no bucket.
bool HasPossibleBucket(std::string_view url);

// Throws duckdb::PermissionException when HasS3Parameters(url), and for an http:// or https:// URL
// that steps out of the prefix it begins with ("/open/../shut").
void RefuseUnsafeUrl(const std::string& url);

}  // namespace eider::engine
