"""ARFM: autoregressive flow matching over point tracks (Xie et al.), behind the contract's Planner.

A transformer fuses what is seen, said and past at every step; a small head, which sees that step alone, denoises where
each point goes next. Symbols: B samples, V views, N points a view, T steps, S sites (points of all views, then image
tokens of all views), D width, M tokens of a sentence, R frames, K futures. Points are (y, x) in [-1, 1]; shifts inside
the networks are pixels of a frame of `pixels` a side, with unit noise. Flow time is the project's: t = 1 noise, t = 0
data (the paper counts the other way).

Follows the paper where its release differs; each of these is a test:

| release                                                            | here                                           |
|--------------------------------------------------------------------|------------------------------------------------|
| the track encoder subtracts tracks from themselves: sees no motion | track_features.py                              |
| seen flag and frame lookup take time for points                    | encoders.py                                    |
| text dropout drops what it should keep                             | predictor.py                                   |
| Euler stops a step before the data                                 | motion/flow.py                                 |
| consistency: a wrong sign, and one time for both networks          | training/stages/arfm.py                        |
| masks of 0 and 1 are added to logits                               | fusion.py, head.py                             |
| images are encoded again at every evaluation                       | a Context is encoded once                      |

Of the paper's size (`arfm_paper`) there are the networks alone: SAM2 and CLIP read folders that the user names
(foundation.py), but nothing here is trained with them, nor acts in the loop, and keys of the released file are not
translated. `arfm_nano`, and how all sizes are trained here, does otherwise:

| paper                                                              | here                                           |
|--------------------------------------------------------------------|------------------------------------------------|
| SAM2's maps, CLIP's image and words                                | an image encoder that it shares with the other |
|                                                                    | planners, and that learns along; MiniLM's words|
| points have no absolute position, and the head is told of the     | points say where they are; the head is told    |
| sentence's vector                                                  | where the encoder points for the sentence, too |
| noise of one pixel of a 256 px frame                               | of four in nano, as large as a shift at 20 Hz  |
| the head says the whole velocity                                   | preconditioned in nano: what the noisy shift   |
|                                                                    | tells by itself is added to what it says       |
| a step is told the true steps before it                            | they may be bent as a plan's own are           |
|                                                                    | (stage.past_error); times may lean to noise    |
| points of training, and of figures, are drawn by how much they     | by how much the model expects it of them: the  |
| will move                                                          | others tell where the motion goes              |
| a past of up to 50 steps                                           | none in nano: a plan sees one frame            |
| a horizon of 50 steps is measured, too                             | windows have 16 steps, and so have the figures |
| the query predictor learns the movement                            | in exponents of the draw, up to where it ends  |
| the average of weights is taken every 100 steps                    | at every step                                  |
| the cache lives from step to step                                  | so it does within a plan; the next one fuses   |
|                                                                    | its past again, of which nano has one step     |
| the policy is GR-1 and looks at the whole of the tracks (a class   | one that looks at that and at each track, and  |
| token)                                                             | no images (policy/track_head); or behaviour    |
|                                                                    | cloning and that token (policy/arfm)           |

Besides: views of one robot are drawn together, each with an embedding (the paper has one view, the release a flag for
moving cameras); a flow time is drawn for every step, not for every sample.
"""
