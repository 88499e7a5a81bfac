"""Drawings: facts -> a frozen scene -> DOT or Mermaid text -> SVG, PNG or PDF.

    index, build    facts -> Scene          what is drawn: boxes, bridges, devices, cables (elements holds the types)
    filters         facts -> words          NAT, firewalls, impairments; tunnels: VXLAN's entries -> tunnels
    alike           Scene -> Scene          nodes that say the same share a box, in labs too big to draw one by one
    parts           Scene -> Parts          what is placed on paper; blocks: lines of type, and how large they are;
                                            overlays: many tunnels as one network
    ways, tracks    Parts -> Parts          a packet's way laid over them: lanes on wires, remarks, the rest faded
    graph, tree     Parts -> trees          what hangs together, grown from its centre, and measured
    layout          Parts -> Sketch         which way it grows, who stands where, on which side a cable leaves
    lanes           Sketch -> Berths        where lanes end, beside each other
    tables, dot     Sketch -> DOT           mermaid: Scene -> Mermaid; sorted, the same bytes for the same scene
    render          DOT -> SVG, PNG, PDF    the only part that runs a program (dot), bounded in time

Nothing here knows of plans, the simulator or the machine: what a plan does to a fact, what was observed of a device,
and a packet's way are handed in as plain values.
"""

from netlab.diagram.build import scene
from netlab.diagram.dot import to_dot
from netlab.diagram.elements import Scene
from netlab.diagram.mermaid import to_mermaid
from netlab.diagram.render import FORMATS, render
from netlab.diagram.ways import Hop, Leg, Note, Stop, Way

__all__ = ["FORMATS", "Hop", "Leg", "Note", "Scene", "Stop", "Way", "render", "scene", "to_dot", "to_mermaid"]
