"""dbt's documentation of the models as one page that needs nothing beside it.

dbt builds the page (`dbt docs generate`). Here the SQL that the build compiled is put into it, the usage tracker that
dbt's page can load and the icons that it does not ship are taken out, and the whole is packed: a fifth of the size.
The page unpacks itself in the browser, and its security policy forbids every request.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from ingest.archive import write_atomically
from ingest.settings import Settings
from orchestration import fingerprint

_MANIFEST, _CATALOG = '"MANIFEST.JSON INLINE DATA"', '"CATALOG.JSON INLINE DATA"'
# What dbt's page would load from elsewhere: a tracker, and links to icons that are not there.
_TRACKER = re.compile(r"//[a-z0-9]+\.cloudfront\.net/[^\"']+\.js")
_COLLECTOR = re.compile(r"[\w-]+\.sinter-collect\.com")
_LINKS = re.compile(r"<link rel=\"(?:canonical|shortcut icon|icon|apple-touch-icon|manifest)\"[^>]*>")
# Icons whose address Angular fills in; as dbt writes them, the browser first asks for the unfilled one.
_ICON = re.compile(r"(?<![-\w])xlink:href=(?=\\?[\"']\{\{)")
_KEPT = 3

_SHELL = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval';
  style-src 'unsafe-inline'; img-src data:; font-src data:">
<title>Models</title>
</head>
<body>
<p>The documentation of the models unpacks itself; this takes a second and a browser from 2023 or newer.</p>
<noscript><p>It needs scripts. The same tables and columns stand in the dictionary of this release.</p></noscript>
<script type="text/plain" id="packed">{packed}</script>
<script>
(async () => {{
  const packed = atob(document.getElementById("packed").textContent);
  const stream = new Blob([Uint8Array.from(packed, c => c.charCodeAt(0))]).stream();
  const text = await new Response(stream.pipeThrough(new DecompressionStream("gzip"))).text();
  document.open();
  document.write(text);
  document.close();
}})();
</script>
</body>
</html>
"""


def build(settings: Settings, manifest_file: Path, invoke: Callable[[list[str], Path], Any]) -> Path:
    """The page for the dbt project as the last build compiled it; made once per state of the project.

    `manifest_file` is dbt's manifest of the project; `invoke` runs a dbt command with a target folder. Raises what
    it raises.
    """
    folder = settings.work / "dbt" / "docs"
    page = folder / f"{fingerprint.of_dbt_project(settings)[:16]}.html"
    if not page.exists():
        target = settings.work / "dbt" / "target"
        # The build has compiled the models; compiling them again would take most of the time.
        invoke(["docs", "generate", "--no-compile"], target)
        manifest, catalog = (json.loads(path.read_bytes()) for path in (manifest_file, target / "catalog.json"))
        compiled = compiled_models(target / "compiled")
        text = assemble(_template(), _slim(manifest, compiled), catalog)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(page, packed(text).encode())
        for name in ("index.html", "catalog.json"):
            (target / name).unlink(missing_ok=True)
        for old in sorted(folder.glob("*.html"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
    return page


def compiled_models(folder: Path) -> dict[str, str]:
    """Text of every compiled model below dbt's folder of compiled files, by file name; tests are left out."""
    return {
        path.name: path.read_text(encoding="utf-8")
        for project in folder.iterdir()
        for place, _, names in sorted(os.walk(project / "models"))
        # dbt puts the tests of a model into a folder that is named as its yml.
        if not place.endswith(".yml")
        for path in (Path(place, name) for name in sorted(names))
        if path.suffix in {".sql", ".py"}
    }


def copy(page: Path | None, folder: Path) -> None:
    """Put the page into a release; nothing where there is none."""
    if page is not None and page.is_file():
        folder.mkdir(parents=True)
        shutil.copyfile(page, folder / "index.html")


def assemble(template: str, manifest: dict[str, Any], catalog: dict[str, Any]) -> str:
    """dbt's page with its data in it, without what it would load from elsewhere."""
    text = _ICON.sub("ng-attr-xlink:href=", _LINKS.sub("", _COLLECTOR.sub("", _TRACKER.sub("", template))))
    for place, data in ((_MANIFEST, manifest), (_CATALOG, catalog)):
        if place not in text:
            raise ValueError(f"dbt's page has no place for its data ({place})")
        # A text of ours that ends a script must not end the page's.
        text = text.replace(place, json.dumps(data, ensure_ascii=False).replace("</", "<\\/"))
    return text


def packed(text: str) -> str:
    """A page that unpacks another one."""
    data = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    return _SHELL.format(packed=base64.b64encode(data).decode())


def unpacked(page: str) -> str:
    """The page inside a packed one."""
    found = re.search(r'id="packed">([^<]+)<', page)
    if found is None:
        raise ValueError("the page holds no packed page")
    return gzip.decompress(base64.b64decode(found[1])).decode()


def _template() -> str:
    return (resources.files("dbt.task.docs") / "index.html").read_text(encoding="utf-8")


def _slim(manifest: dict[str, Any], compiled: dict[str, str]) -> dict[str, Any]:
    """The manifest with compiled SQL, and without what tells of this machine or only fills the page."""
    slim = {**manifest, "disabled": {}}
    slim["metadata"] = {
        **{key: value for key, value in manifest["metadata"].items() if key not in {"env", "user_id", "project_id"}},
        "send_anonymous_usage_stats": False,
    }
    nodes = {}
    for name, node in manifest["nodes"].items():
        kept = {key: value for key, value in node.items() if key not in {"compiled_path", "unrendered_config"}}
        file = Path(str(node["path"])).name
        if node["resource_type"] == "model" and file in compiled:
            kept |= {"compiled": True, "compiled_code": compiled[file]}
        nodes[name] = kept
    slim["nodes"] = nodes
    # Code of macros that dbt itself ships is not part of the project.
    slim["macros"] = {
        name: macro if macro["package_name"] == manifest["metadata"]["project_name"] else {**macro, "macro_sql": ""}
        for name, macro in manifest["macros"].items()
    }
    return slim
