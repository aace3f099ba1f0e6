"""ATM: any-point trajectories by a track transformer (Wen et al., RSS 2024), behind the contract's Planner.

What ARFM and ZipMo are measured against: one pass, one future. A view is seen by itself, by one and the same network.
Symbols: B samples, V views, N points a view, T samples of a track, L image tokens of a view, D width.
Points are (y, x) in [-1, 1]; the network counts them in [0, 1] of the frame, as the paper does.

`atm_published` has the paper's sizes. `atm_nano`, and how it is trained here, does otherwise:

| paper                                                              | here                                           |
|--------------------------------------------------------------------|------------------------------------------------|
| patches of the image go straight in                                | the tokens of an image encoder that it shares  |
|                                                                    | with the other planners, and that learns along |
| BERT's sentence                                                    | MiniLM's words                                 |
| points are tracks of CoTracker, up to 3 % off                      | the simulator's, exact                         |
| where a point is, in the frame, is predicted                       | how far it is from where it starts             |
| what is meant, the sentence alone says                             | and where the image encoder points for it      |
| the error of tracks weighs 10                                      | nano-mini-atm: 300                             |
| one network a suite                                                | one for all                                    |
| the policy looks back on 10 frames and makes one action            | at one frame, and makes 16                     |

Its release shifts tracks with their image by the wrong axis and sign; here (training/stages/atm.py) a test sees that a
point stays on what it was on.
"""
