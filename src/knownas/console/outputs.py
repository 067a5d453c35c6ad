"""Serves the pages of outputs: how each stands, what is set for it, and what stops it or lets it go on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from knownas.console.limits import OUTPUT_COUNTED_MAX
from knownas.console.page import NOBODY, Answer, Asked, Crumb, Moved, Page, Shown, done
from knownas.console.places import OUTPUTS
from knownas.console.refusal import not_taken
from knownas.console.rights import Right
from knownas.console.settings_form import setting_fields, settings_from
from knownas.console.workspace_asked import output_of, workspace_choice, workspace_name, workspace_of
from knownas.core.audience.reading_text import Fault
from knownas.service.audience.catalogue import Catalogue, KnownOutput
from knownas.service.audience.limits import NAME_CHARACTERS_MAX, SETTING_CHARACTERS_MAX
from knownas.service.delivery.delivering import BreakerState
from knownas.service.delivery.destination import Destination
from knownas.service.limits import LONG_REQUEST_SECONDS
from knownas.store.deliveries import DeliveryState

_BREAKER_WORDS: Final[Mapping[BreakerState, str]] = {
    BreakerState.CLOSED: "closed: it is sent to",
    BreakerState.OPEN: "open: it is out, and left alone for a while",
    BreakerState.HALF_OPEN: "half open: a single message finds out whether it is back",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with an output. `oldest_ms` is when the oldest that waits happened, `sent_ms` when it last took something.

    `breaker` is what this process knows, in words; "" where another one delivers, or nothing waits.
    """

    output: KnownOutput
    title: str
    waiting: int
    dead: int
    oldest_ms: int | None
    sent_ms: int | None
    breaker: str
    is_out: bool

    @property
    def is_more(self) -> bool:
        """Whether more waits than was counted."""
        return self.waiting >= OUTPUT_COUNTED_MAX


async def show_outputs(asked: Asked) -> Answer:
    """Show the outputs of a workspace."""
    workspace = workspace_of(asked)
    await asked.service.activation.catalogues.refresh()
    known = asked.service.activation.outputs.known(workspace.id)
    values = {
        "workspace": workspace,
        "choices": (workspace_choice(asked, workspace),),
        "rows": [await _standing(asked, one) for one in known],
        "counted_max": OUTPUT_COUNTED_MAX,
    }
    return Shown("outputs.html", "Outputs", NOBODY, values)


async def show_output(asked: Asked) -> Answer:
    """Show an output: how it stands, what is set for it, and what is connected with it."""
    output = await output_of(asked)
    catalogue = asked.service.activation.catalogues.now
    kind = asked.service.activation.catalogues.destinations[output.document.destination]
    hidden = [one.name.replace("_", " ") for one in kind.settings if one.confidential]
    connected, inputs = _connected(catalogue, output)
    values = {
        "one": await _standing(asked, output),
        "output": output,
        "kind": kind,
        "hidden": hidden,
        "workspace": workspace_name(asked, output.workspace),
        "connected": connected,
        "inputs": inputs,
        "erasures": (output.document.erasures_written or b"").decode(),
        "counted_max": OUTPUT_COUNTED_MAX,
    }
    return Shown("output.html", output.document.name, NOBODY, values)


async def show_new(asked: Asked) -> Answer:
    """Show which kinds of outputs there are, or the form for one of them."""
    workspace = workspace_of(asked)
    kinds = asked.service.activation.catalogues.destinations
    chosen = asked.query.text("type")
    if not chosen:
        values = {"workspace": workspace, "kinds": [kinds[name] for name in sorted(kinds)]}
        return Shown("output_kinds.html", "New output", NOBODY, values)
    return _form(asked, _kind(asked, chosen), None, workspace.id, "", {}, ())


async def create(asked: Asked) -> Answer:
    """Set an output up, or show the form with what is wrong."""
    workspace, kind = workspace_of(asked, is_form=True), _kind(asked, asked.form.text("type"))
    name, settings = asked.form.text("name"), settings_from(kind.settings, asked.form)
    made = await asked.service.activation.outputs.create(workspace.id, name, kind.name, settings)
    if isinstance(made, tuple):
        return _form(asked, kind, None, workspace.id, name, settings, made)
    return Moved(f"/outputs/{made}", NOBODY, done(f"{name} is set up. Connect an audience with it next."))


async def show_change(asked: Asked) -> Answer:
    """Show the form with what is set."""
    output = await output_of(asked)
    document = output.document
    kind = _kind(asked, document.destination)
    return _form(asked, kind, output, output.workspace, document.name, document.settings, ())


async def change(asked: Asked) -> Answer:
    """Set an output up anew; what is confidential stays where nothing was entered."""
    output = await output_of(asked)
    kind = _kind(asked, output.document.destination)
    name, settings = asked.form.text("name"), settings_from(kind.settings, asked.form)
    wrong = await asked.service.activation.outputs.change(output.id, name, settings, _erasures(output))
    if wrong is not None:
        return _form(asked, kind, output, output.workspace, name, settings, wrong)
    return Moved(f"/outputs/{output.id}", NOBODY, done(f"{name} is changed."))


async def pause(asked: Asked) -> Answer:
    """Stop an output until it is resumed."""
    output = await output_of(asked)
    await asked.service.activation.dead_letters.pause(output.id)
    said = f"{output.document.name} is paused. What it is to be told waits."
    return Moved(f"/outputs/{output.id}", NOBODY, done(said))


async def resume(asked: Asked) -> Answer:
    """Let an output go on."""
    output = await output_of(asked)
    await asked.service.activation.dead_letters.resume(output.id)
    return Moved(f"/outputs/{output.id}", NOBODY, done(f"{output.document.name} goes on, with the oldest that waits."))


async def ask_to_delete(asked: Asked) -> Answer:
    """Ask whether an output shall be deleted, and say what depends on it."""
    output = await output_of(asked)
    connected, inputs = _connected(asked.service.activation.catalogues.now, output)
    values = {"output": output, "one": await _standing(asked, output), "connected": connected, "inputs": inputs}
    return Shown("output_delete.html", f"Delete {output.document.name}", NOBODY, values, _trail(output))


async def delete(asked: Asked) -> Answer:
    """Delete an output."""
    output = await output_of(asked)
    await asked.service.activation.outputs.delete(output.id)
    asked.service.activation.work.wake()
    said = f"{output.document.name} is deleted, and what waited for it is dropped."
    return Moved(f"{OUTPUTS.path}?workspace={output.workspace}", NOBODY, done(said))


def _erasures(output: KnownOutput) -> Mapping[str, object] | None:
    """Return what the output gets of whoever asks to be erased, which this form leaves as it is."""
    written = output.document.erasures_written
    return None if written is None else msgspec.json.decode(written, type=dict[str, object])


def _kind(asked: Asked, name: str) -> Destination:
    found = asked.service.activation.catalogues.destinations.get(name)
    if found is None:
        raise not_taken("There is no such kind of output.")
    return found


def _connected(catalogue: Catalogue, output: KnownOutput) -> tuple[Sequence[tuple[int, str]], Sequence[str]]:
    """Return what is connected with an output: connections with the names of their audiences, and inputs."""
    known = catalogue.of(output.workspace)
    audiences = [
        (one.id, catalogue.audiences[one.audience].document.name)
        for several in known.connections.values()
        for one in several
        if one.output == output.id
    ]
    inputs = [one.asked.input for several in known.forwarding.values() for one in several if one.output == output.id]
    return audiences, inputs


async def _standing(asked: Asked, output: KnownOutput) -> Standing:
    activation, deliveries = asked.service.activation, asked.service.store.deliveries
    waiting, dead = [
        await deliveries.count_deliveries(output.id, state, OUTPUT_COUNTED_MAX)
        for state in (DeliveryState.WAITING, DeliveryState.DEAD)
    ]
    oldest = await deliveries.waiting(output.id, 0, 1)
    sent = await deliveries.deliveries(output.id, DeliveryState.SENT, None, 1)
    known = next((one.breaker for one in activation.delivering.standings() if one.output == output.id), None)
    kind = activation.catalogues.destinations.get(output.document.destination)
    return Standing(
        output,
        output.document.destination if kind is None else kind.title,
        waiting,
        dead,
        oldest[0].at_ms if oldest else None,
        sent[0].settled_ms if sent else None,
        "" if known is None else _BREAKER_WORDS[known],
        known is not None and known is not BreakerState.CLOSED,
    )


def _form(
    asked: Asked,
    kind: Destination,
    output: KnownOutput | None,
    workspace: int,
    name: str,
    settings: Mapping[str, str | int | bool],
    faults: Sequence[Fault],
) -> Answer:
    other = [one for one in faults if not one.place.startswith("/settings/")]
    values = {
        "kind": kind,
        "output": output,
        "workspace": workspace,
        "workspace_name": workspace_name(asked, workspace),
        "name": name,
        "name_most": NAME_CHARACTERS_MAX,
        "setting_most": SETTING_CHARACTERS_MAX,
        "fields": setting_fields(kind.settings, settings, [one for one in faults if one not in other]),
        "faults": [one.sentence for one in other],
    }
    status = 400 if faults else 200
    if output is None:
        return Shown("output_edit.html", f"New output: {kind.title}", NOBODY, values, (), status)
    return Shown("output_edit.html", "Change", NOBODY, values, _trail(output), status)


def _trail(output: KnownOutput) -> Sequence[Crumb]:
    return (Crumb(output.document.name, f"/outputs/{output.id}"),)


_ONE: Final = "/outputs/{id}"
PAGES: Final = (
    Page("GET", OUTPUTS.path, "showOutputs", Right.READ, show_outputs, OUTPUTS, LONG_REQUEST_SECONDS),
    Page("GET", "/outputs/new", "showNewOutput", Right.OUTPUTS, show_new, OUTPUTS),
    Page("POST", "/outputs/new", "createOutput", Right.OUTPUTS, create, OUTPUTS),
    Page("GET", _ONE, "showOutput", Right.READ, show_output, OUTPUTS),
    Page("GET", f"{_ONE}/change", "showOutputToChange", Right.OUTPUTS, show_change, OUTPUTS),
    Page("POST", f"{_ONE}/change", "changeOutput", Right.OUTPUTS, change, OUTPUTS),
    Page("POST", f"{_ONE}/pause", "pauseOutput", Right.OUTPUTS, pause, OUTPUTS),
    Page("POST", f"{_ONE}/resume", "resumeOutput", Right.OUTPUTS, resume, OUTPUTS),
    Page("GET", f"{_ONE}/delete", "askToDeleteOutput", Right.OUTPUTS, ask_to_delete, OUTPUTS),
    Page("POST", f"{_ONE}/delete", "deleteOutput", Right.OUTPUTS, delete, OUTPUTS),
)
