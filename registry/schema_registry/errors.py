"""What the Schema Registry refuses; ``problems`` has the table of Confluent's codes."""

from __future__ import annotations

from exchange.errors import NO_HINT
from exchange.text import Text
from registry.errors import Conflict, Invalid, NotFound


class SubjectNotFound(NotFound):
    """No version is registered under the subject."""

    text = Text("Subject '{subject}' not found.", "不存在主体（subject）“{subject}”。")


class VersionNotFound(NotFound):
    """The subject has no such version."""

    text = Text("Version {version} not found.", "不存在版本 {version}。")


class SchemaNotFound(NotFound):
    """No schema has this id, or the subject has no such schema."""

    text = Text("Schema not found: {reason}", "不存在该 schema：{reason}")


class SubjectSoftDeleted(NotFound):
    """The subject was deleted already, not yet for good."""

    hint = NO_HINT
    text = Text(
        "Subject '{subject}' was soft deleted. Set permanent=true to delete permanently",
        "主体“{subject}”已软删除；如需彻底删除请设置 permanent=true",
    )


class SubjectNotSoftDeleted(NotFound):
    """Only what was soft deleted can be deleted for good."""

    hint = NO_HINT
    text = Text(
        "Subject '{subject}' was not deleted first before being permanently deleted",
        "主体“{subject}”须先软删除才能彻底删除",
    )


class VersionSoftDeleted(NotFound):
    """The version was deleted already, not yet for good."""

    hint = NO_HINT
    text = Text(
        "Subject '{subject}' Version {version} was soft deleted. Set permanent=true to delete permanently",
        "主体“{subject}”的版本 {version} 已软删除；如需彻底删除请设置 permanent=true",
    )


class VersionNotSoftDeleted(NotFound):
    """Only what was soft deleted can be deleted for good."""

    hint = NO_HINT
    text = Text(
        "Subject '{subject}' Version {version} was not deleted first before being permanently deleted",
        "主体“{subject}”的版本 {version} 须先软删除才能彻底删除",
    )


class LevelNotConfigured(NotFound):
    """The subject has no compatibility level of its own."""

    hint = NO_HINT
    text = Text(
        "Subject '{subject}' does not have subject-level compatibility configured",
        "主体“{subject}”未单独设置兼容级别",
    )


class ModeNotConfigured(NotFound):
    """The subject has no mode of its own."""

    hint = NO_HINT
    text = Text("Subject '{subject}' does not have subject-level mode configured", "主体“{subject}”未单独设置模式")


class IncompatibleSchema(Conflict):
    """The level of the subject does not allow this schema after those that are there."""

    code = "incompatible_schema"
    text = Text(
        "Schema being registered is incompatible with an earlier schema for subject '{subject}' "
        "under level {level}: {reason}",
        "该 schema 与主体“{subject}”的已有版本不兼容（级别 {level}）：{reason}",
    )


class NotTheItems(Conflict):
    """The catalogue derives this subject's schemas from the items of the resource, and this schema is another."""

    code = "not_the_items"
    text = Text(
        "The schema differs from the items of resource {resource}, which the catalogue derives this subject from",
        "该 schema 与信息资源 {resource} 的信息项不一致；此主体的 schema 由目录按信息项生成",
    )
    hint = Text(
        "Publish the resource if it is a draft; else use versions/latest of the subject, or change the items.",
        "资源为草稿时请先发布；否则请使用该主体的 versions/latest，或在目录中变更该资源的信息项。",
    )


class InvalidSchema(Invalid):
    """The text is no Avro schema."""

    code = "invalid_schema"
    text = Text("Invalid schema: {reason}", "schema 无效：{reason}")


class InvalidVersion(Invalid):
    """A version is a number from 1, or latest."""

    code = "invalid_version"
    hint = NO_HINT
    text = Text(
        "The specified version '{version}' is not a valid version id. Allowed values are between [1, 2^31-1] "
        'and the string "latest"',
        "版本“{version}”无效；应为 1 至 2^31-1 的数字或 latest",
    )


class InvalidLevel(Invalid):
    """There is no such compatibility level."""

    code = "invalid_level"
    hint = NO_HINT
    text = Text(
        "Invalid compatibility level. Valid values are NONE, BACKWARD, FORWARD, FULL, BACKWARD_TRANSITIVE, "
        "FORWARD_TRANSITIVE and FULL_TRANSITIVE",
        "兼容级别无效；可用值：NONE、BACKWARD、FORWARD、FULL、BACKWARD_TRANSITIVE、FORWARD_TRANSITIVE、FULL_TRANSITIVE",
    )


class InvalidMode(Invalid):
    """There is no such mode."""

    code = "invalid_mode"
    hint = NO_HINT
    text = Text(
        "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE and IMPORT",
        "模式无效；可用值：READWRITE、READONLY、READONLY_OVERRIDE、IMPORT",
    )


class InvalidSubject(Invalid):
    """The name cannot be a subject's."""

    code = "invalid_subject"
    hint = NO_HINT
    text = Text(
        "The specified subject is not valid: 1 to 255 characters, no control characters",
        "主体名称无效：应为 1 至 255 个字符且不含控制字符",
    )


class NotPermitted(Invalid):
    """Mode, catalogue or scope of this registry do not allow it."""

    code = "not_permitted"
    hint = NO_HINT
    text = Text("Operation not permitted: {reason}", "不允许该操作：{reason}")


class Referenced(Invalid):
    """Another schema uses the version."""

    code = "schema_referenced"
    hint = NO_HINT
    text = Text(
        "One or more references exist to the schema of subject '{subject}' version {version}",
        "主体“{subject}”的版本 {version} 正被其他 schema 引用",
    )
