"""The motion core: track autoencoder, flow planner and their parts. Knows no ROS, simulator or Hydra."""
