"""The page of `view`: its data are the weights, its code agrees with NumPy, and a browser draws what is chosen."""

import base64
import json
import re
import shutil
import subprocess

import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn import plot
from tgnn.analysis import attention_of

BROWSERS = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"
WORDS = ["a", "</script>", "&amp; \"q'", "d"]


def weights_of(layers, heads, n, m=None):
    x = np.exp(2 * np.random.default_rng(0).normal(size=(layers, heads, n, m or n)))
    return x / x.sum(-1, keepdims=True)


def data_of(view):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', view.page, re.S)
    return json.loads(text)


def decoded(data, layer):
    """`[heads, n_receivers, n_senders]` as the page sees them."""
    found, edges = data["layers"][layer], data["edges"][data["layers"][layer]["edges"]]
    ends = (np.frombuffer(base64.b64decode(edges[name]), "<u2") for name in ("receivers", "senders"))
    codes = np.frombuffer(base64.b64decode(found["weights"]), np.uint8).reshape(found["heads"], -1)
    matrix = np.zeros((found["heads"], data["n_receivers"], data["n_senders"]))
    matrix[:, *ends] = (codes / 255) ** 2
    return matrix


def test_the_page_holds_the_weights_and_names():
    weights = weights_of(2, 3, 4)
    data = data_of(plot.view(weights, WORDS))
    assert (data["receivers"], data["senders"], len(data["edges"])) == (WORDS, WORDS, 1)
    for layer in range(2):
        np.testing.assert_allclose(decoded(data, layer), weights[layer], atol=4e-3)


def test_a_sentence_of_64_tokens_with_12_layers_of_12_heads_is_below_a_megabyte():
    view = plot.view(weights_of(12, 12, 64), [f"token {i}" for i in range(64)])
    assert len(view.page.encode()) < 1e6 and len(view._repr_html_().encode()) < 1e6


def test_the_page_asks_no_network_and_ends_no_script_early(tmp_path):
    view = plot.view(weights_of(1, 1, 4), WORDS, title="<b>a title</b>")
    addresses = set(re.findall(r"https?://[^\"'\s]*", view.page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, which nobody fetches
    assert not re.search(r"\b(src|href)=|@import|url\(|fetch\(|XMLHttp", view.page)
    assert view.page.count("</script>") == 2
    assert view.save(tmp_path / "view.html").read_text(encoding="utf-8") == view.page
    assert "MB of HTML" in repr(view)


def test_a_layer_that_was_read_a_pair_and_matrices_give_one_page():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2, 3)))
    layers = attention_of(tgnn.attend, tgnn.Causal(4), x, x, x)
    pages = {plot.view(given, WORDS).page for given in (layers, layers[0], (tgnn.Causal(4), layers[0].weights))}
    assert len(pages) == 1
    data = data_of(plot.view(layers[0].matrix(), WORDS))
    np.testing.assert_allclose(decoded(data, 0), layers[0].matrix(), atol=4e-3)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (np.full((2, 2), 2.0), {}, "weights must be numbers in 0"),
        (np.full((2, 2), np.nan), {}, "weights must be numbers in 0"),
        ([np.eye(2), np.eye(3)], {}, "expected one pair of sizes"),
        (np.eye(2), {"words": ["a"]}, "words has 1 entries"),
        (np.ones((2, 3)) / 3, {"senders": ["a"]}, "senders has 1 entries"),
        (np.eye(2), {"layer": 1}, "layer is 1 but there are 1"),
        (np.eye(2), {"head": 1}, "head is 1 but there are 1"),
        (np.ones((2, 3)) / 3, {"kind": "graph"}, "kind must be one of"),
        (np.eye(2), {"kind": "sphere"}, "kind must be one of"),
        (np.eye(2)[0], {}, "weights have shape"),
    ],
)
def test_what_cannot_be_shown_is_said(given, options, message):
    with pytest.raises(ValueError, match=message):
        plot.view(given, **options)


@pytest.mark.parametrize("head", [-1, 2])
def test_the_code_of_the_page_agrees_with_numpy(head, tmp_path):
    if (node := shutil.which("node")) is None:
        pytest.skip("needs node, to run the page's code without a browser: install Node.js")
    weights = weights_of(2, 3, 5, 4)
    view = plot.view(weights)
    (tmp_path / "data.json").write_text(json.dumps(data_of(view)))
    code = """
      const page = require(process.argv[1]), data = JSON.parse(require("fs").readFileSync(process.argv[2]));
      const state = { layer: 1, head: Number(process.argv[3]), threshold: 0.3, focus: null };
      const all = page.shown(data, state), one = page.shown(data, { ...state, threshold: 0, focus: { receiver: 2 } });
      console.log(JSON.stringify([all, one, page.shade(0), page.shade(1)]));
    """
    script = tgnn.plot.__path__[0] + "/page.js"
    run = [node, "-e", code, script, str(tmp_path / "data.json"), str(head)]
    above, near, light, dark = json.loads(subprocess.run(run, capture_output=True, check=True, text=True).stdout)
    expected = weights[1].mean(0) if head < 0 else weights[1, head]
    assert {(r, s) for s, r, _ in above} == set(zip(*np.nonzero(expected > 0.3), strict=True))
    assert [w for *_, w in above] == sorted(w for *_, w in above)
    assert {r for _, r, _ in near} == {2} and len(near) == 4
    np.testing.assert_allclose([w for s, r, w in near], [expected[r, s] for s, r, _ in near], atol=4e-3)
    assert sum(map(int, re.findall(r"\d+", light))) > sum(map(int, re.findall(r"\d+", dark)))


CHOICES = """<script>
const choose = (id, value, kind) => {
  const element = document.getElementById(id);
  element.value = value;
  element.dispatchEvent(new Event(kind));
};
STEPS
</script></body>"""


def opened(page, steps, folder):
    """The document after a browser has opened the page and somebody has made these choices."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs a browser to open the page, one of {', '.join(BROWSERS)}: install Chromium")
    (folder / "page.html").write_text(page.replace("</body>", CHOICES.replace("STEPS", steps)), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    run = subprocess.run([browser, *options, str(folder / "page.html")], capture_output=True, timeout=120)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode()


def drawn(document):
    """The ends of the lines."""
    return [tuple(map(int, pair)) for pair in re.findall(r'data-sender="(\d+)" data-receiver="(\d+)"', document)]


@pytest.mark.slow
@pytest.mark.parametrize("positions", [None, "spring"])
def test_a_browser_draws_the_head_that_is_chosen(positions, tmp_path):
    weights = weights_of(2, 3, 4)
    page = plot.view(weights, WORDS, positions=positions, threshold=0.3).page
    steps = 'choose("layer", "1", "change"); choose("head", "2", "change");'
    document = opened(page, steps, tmp_path)
    expected = {(s, r) for r, s in zip(*np.nonzero(weights[1, 2] > 0.3), strict=True)}
    assert set(drawn(document)) == expected and f'data-edges="{len(expected)}"' in document
    assert 'data-layer="1"' in document and 'data-head="2"' in document
    assert "&lt;/script&gt;</text>" in document  # a word, as it is written


@pytest.mark.slow
def test_a_browser_follows_threshold_pointer_and_kind_of_picture(tmp_path):
    weights = weights_of(1, 2, 4)
    steps = """
      choose("threshold", "0.5", "input");
      document.body.dataset.lower = document.body.dataset.edges;
      choose("threshold", "0", "input");
      [...document.querySelectorAll("text.word")][3].dispatchEvent(new Event("mouseenter"));
      document.body.dataset.near = document.body.dataset.edges;
      choose("threshold", "0.5", "input");
      choose("kind", "matrix", "change");
    """
    document = opened(plot.view(weights, WORDS, head=1).page, steps, tmp_path)
    count = str((weights[0, 1] > 0.25).sum())
    assert f'data-lower="{count}"' in document and 'data-near="4"' in document
    assert 'data-kind="matrix"' in document and f'data-edges="{count}"' in document
