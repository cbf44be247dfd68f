"""What ECR says about images, and when it removes them.

Sizes are those of the layers, an image that is asked for and not there is an error, a manifest
names only blobs that were pushed, and lifecycle policies by image count are carried out.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from local.registry.blobs import remove_unused
from local.responses import RefusedError, Response, payload_of, reply
from local.symbols import Symbol

if TYPE_CHECKING:
    from local.registry.blobs import RepositoryBlobs

_DESCRIBE: Final = Symbol("services.ecr", "_describe_images", ("data",))
_PUT_IMAGE: Final = Symbol("services.ecr", "_put_image", ("data",))
_PUT_MANIFEST: Final = Symbol(
    "services.ecr", "_v2_put_manifest", ("name", "ref", "headers", "body")
)
_HEAD_BLOB: Final = Symbol("services.ecr", "_v2_head_blob", ("name", "digest"))
_ERROR: Final = Symbol("services.ecr", "_registry_error", ("status", "code", "message", "detail"))
_OK: Final = Symbol("services.ecr", "_registry_ok", ("status", "headers", "body"))
_IMAGES: Final = Symbol("services.ecr", "_images")
_BLOBS: Final = Symbol("services.ecr", "_layer_blobs")
_MANIFESTS: Final = Symbol("services.ecr", "_manifest_blobs")
_FIND: Final = Symbol("services.ecr", "_find_image", ("repo_name", "image_id"))
_POLICIES: Final = Symbol("services.ecr", "_lifecycle_policies")
_BATCH_GET: Final = Symbol("services.ecr", "_batch_get_image", ("data",))

SYMBOLS: Final = (
    _DESCRIBE,
    _PUT_IMAGE,
    _PUT_MANIFEST,
    _HEAD_BLOB,
    _ERROR,
    _OK,
    _IMAGES,
    _BLOBS,
    _MANIFESTS,
    _FIND,
    _POLICIES,
    _BATCH_GET,
)

Record = dict[str, Any]


def install() -> None:
    """Replace the calls."""
    _DESCRIBE.wrap(_describing)
    _BATCH_GET.wrap(_naming_the_tag)
    _PUT_IMAGE.wrap(_putting_image)
    _PUT_MANIFEST.wrap(_putting_manifest)
    _HEAD_BLOB.set(_head_blob)


def _describing(describe: Any) -> Any:
    def describe_images(data: Record) -> Response:
        name = data.get("repositoryName", "")
        for image_id in data.get("imageIds") or ():
            if _FIND.get()(name, image_id) is None and name in _IMAGES.get():
                shown = ", ".join(f"{key}:'{value}'" for key, value in sorted(image_id.items()))
                return RefusedError(
                    "ImageNotFoundException",
                    f"The image with imageId {{{shown}}} does not exist within the repository with "
                    f"name '{name}'",
                ).response()
        response: Response = describe(data)
        if response[0] >= 400:
            return response
        answer = payload_of(response)
        status = (data.get("filter") or {}).get("tagStatus", "ANY")
        answer["imageDetails"] = [
            {**detail, "imageSizeInBytes": size_of(name, detail["imageDigest"])}
            for detail in answer["imageDetails"]
            if status == "ANY" or bool(detail["imageTags"]) == (status == "TAGGED")
        ]
        return reply(answer)

    return describe_images


def size_of(repository: str, digest: str) -> int:
    """The bytes of an image's layers and configuration."""
    image = _FIND.get()(repository, {"imageDigest": digest})
    return sum(int(part.get("size", 0)) for part in _parts(image))


def _parts(image: Record) -> list[Record]:
    manifest = json.loads(image["imageManifest"] or "{}")
    return [*manifest.get("layers", ()), manifest.get("config") or {}]


def _naming_the_tag(get: Any) -> Any:
    """An image with several tags is found by each, and the answer names the one asked for."""

    def batch_get_image(data: Record) -> Response:
        response: Response = get(data)
        if response[0] >= 400:
            return response
        answer = payload_of(response)
        asked = {id_["imageTag"]: id_ for id_ in data.get("imageIds") or () if "imageTag" in id_}
        for image in answer["images"]:
            found = _FIND.get()(data["repositoryName"], image["imageId"]) or {}
            tags = [tag for tag in found.get("imageTags", ()) if tag in asked]
            if tags:
                image["imageId"] = {**image["imageId"], "imageTag": tags[0]}
        return reply(answer)

    return batch_get_image


def _putting_image(put: Any) -> Any:
    def put_image(data: Record) -> Response:
        response: Response = put(data)
        if response[0] < 400:
            expire(data["repositoryName"])
        return response

    return put_image


def _putting_manifest(put: Any) -> Any:
    def put_manifest(name: str, ref: str, headers: Any, body: bytes) -> Response:
        missing = _missing_blobs(name, body)
        if missing:
            refusal: Response = _ERROR.get()(
                400,
                "MANIFEST_BLOB_UNKNOWN",
                f"blobs unknown to registry: {', '.join(missing)}",
                {"digest": missing[0]},
            )
            return refusal
        response: Response = put(name, ref, headers, body)
        if response[0] < 400:
            expire(name)
        return response

    return put_manifest


def _missing_blobs(name: str, body: bytes) -> list[str]:
    try:
        manifest = json.loads(body)
    except ValueError:
        return []  # MiniStack says what is wrong with it
    parts = [manifest.get("config"), *manifest.get("layers", ())]
    known = _BLOBS.get().get(name, {})
    return [
        part["digest"]
        for part in parts
        # A foreign layer is fetched from its own place.
        if part and part["digest"] not in known and not part.get("urls")
    ]


def _head_blob(name: str, digest: str) -> Response:
    blobs: RepositoryBlobs | None = _BLOBS.get().get(name)
    if blobs is None or digest not in blobs:
        refusal: Response = _ERROR.get()(
            404, "BLOB_UNKNOWN", "blob unknown to registry", {"digest": digest}
        )
        return refusal
    answer: Response = _OK.get()(
        200,
        {
            # Without reading it: a push asks this of every layer.
            "Content-Length": str(blobs.size(digest)),
            "Docker-Content-Digest": digest,
            "Content-Type": "application/octet-stream",
        },
        b"",
    )
    return answer


def expire(repository: str) -> None:
    """Carry out the rules of the repository's lifecycle policy that go by image count.

    ECR does so within a day; here it happens at once, so that the effect can be seen.
    """
    stored = _POLICIES.get().get(repository)
    if not stored:
        return
    text = stored if isinstance(stored, str) else stored["lifecyclePolicyText"]
    for rule in sorted(json.loads(text)["rules"], key=lambda one: int(one["rulePriority"])):
        selection = rule["selection"]
        if selection["countType"] != "imageCountMoreThan":
            continue
        images = _IMAGES.get()[repository]
        selected = [image for image in images if _is_selected(image, selection)]
        expired = selected[: max(0, len(selected) - int(selection["countNumber"]))]
        for image in expired:
            images.remove(image)
            _MANIFESTS.get().get(repository, {}).pop(image["imageDigest"], None)
        _drop_blobs(repository, expired)


def _drop_blobs(repository: str, expired: list[Record]) -> None:
    """Drop what expired images name and none that is left; others may be of a push under way."""
    store = _BLOBS.get()
    blobs: RepositoryBlobs | None = store.get(repository)
    if blobs is None or not expired:
        return
    left = {part.get("digest") for image in _IMAGES.get()[repository] for part in _parts(image)}
    gone = {part.get("digest") for image in expired for part in _parts(image)} - left
    blobs.digests.difference_update(gone)
    remove_unused(store)


def _is_selected(image: Record, selection: Record) -> bool:
    tags, status = image.get("imageTags") or [], selection["tagStatus"]
    if status == "any":
        return True
    if status == "untagged":
        return not tags
    prefixes = selection.get("tagPrefixList") or [""]
    return any(tag.startswith(prefix) for tag in tags for prefix in prefixes)
